"""The benchmark of estimators: it fits what it says it fits."""

from __future__ import annotations

import pytest

from benchmarks.cpu import estimators


@pytest.mark.filterwarnings("ignore")
def test_both_fit_the_same_examples_as_often():
    pytest.importorskip("sklearn")
    row = estimators.measure("W2", 32, turns=1, n=200)
    assert row["examples"] == 200 and row["epochs"] == 10
    assert all(low <= middle <= high for low, middle, high in row["seconds"].values())
    assert abs(row["loss"]["minisgd"] - row["loss"]["scikit-learn"]) < 0.2
    assert estimators.line(row).startswith("W2     32")
