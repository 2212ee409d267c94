"""What trackers add to the time of a training run."""

from __future__ import annotations

import json

import pytest

from benchmarks.cpu import trackers


@pytest.mark.slow
def test_the_quick_form_writes_every_row(tmp_path, monkeypatch):
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")  # and so restored afterwards
    monkeypatch.setattr(trackers, "pin", lambda cores: None)  # pytest goes on in this process
    assert trackers.main(["--quick", "--json", str(tmp_path / "trackers.json")]) == 0
    rows = json.loads((tmp_path / "trackers.json").read_text())["results"]
    assert len(rows) == len(trackers.networks()) * len(trackers.BATCH_SIZES) * 2
    assert all(row["low"] <= row["added"] <= row["high"] and len(row["all"]) == 3 for row in rows)
