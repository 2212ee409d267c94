"""Curves of time and memory against the size of things."""

from __future__ import annotations

import json

import pytest
from numpy.testing import assert_allclose

from benchmarks.cpu import growth


def test_slopes_are_of_the_upper_half():
    x = [1, 10, 100, 1000]
    assert_allclose(growth.slope(x, [5.0, 5.0, 1e4, 1e6]), 2.0)


def test_growth_writes_curves_and_picture(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install 'minisgd[report]'")
    one = growth.Axis("B", "batch size B", tuple(growth.Point(b, batch_size=b) for b in (1, 4, 16)), "linear in B")
    monkeypatch.setattr(growth, "axes", lambda n, quick: [one])
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")  # and so restored afterwards
    monkeypatch.setattr(growth, "pin", lambda cores: None)  # pytest goes on in this process
    assert growth.main(["--quick", "--out", str(tmp_path)]) == 0
    (curve,) = json.loads((tmp_path / "growth.json").read_text())["curves"]
    assert curve["x"] == [1, 4, 16] and all(s > 0 for s in curve["seconds"])
    assert curve["bytes"] == sorted(curve["bytes"])
    assert (tmp_path / "growth.png").stat().st_size > 1000
