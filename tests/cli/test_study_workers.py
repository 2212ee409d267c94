"""minisgd study --workers, --dask and --ranks: what is refused, and that a study over processes is the same."""

from __future__ import annotations

import pytest

from minisgd import cli

QUICK = ["study", "--data", "digits", "--model", "linear", "--batch-sizes", "64,512", "--seeds", "2", "--quiet"]
QUICK += ["--learning-rates", "0.1,0.3", "--train-for", "steps:20", "--target-accuracy", "0.9"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "2", "--dask", "local"], "--workers must be left out with --dask"),
        (["--workers", "0"], "--workers must be"),
        (["--ranks", "0,8"], "--ranks must be"),
    ],
)
def test_what_is_refused(options, said, tmp_path, capsys):
    assert cli.main([*QUICK, *options, "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "cells.jsonl").exists()


@pytest.mark.slow
def test_processes_train_the_same(tmp_path):
    pytest.importorskip("joblib", reason="joblib is not installed: pip install 'minisgd[sweep]'")
    cells = []
    for options in ([], ["--workers", "2"]):
        out = tmp_path / str(len(cells))
        assert cli.main([*QUICK, *options, "--out", str(out)]) == 0
        cells.append((out / "cells.jsonl").read_bytes())
    assert cells[0] == cells[1]
