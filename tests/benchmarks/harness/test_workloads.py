"""The workloads that are raced."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.workloads import WORKLOADS, data, weights


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=lambda w: w.name)
def test_definitions_are_reproducible(workload):
    (x, y), (again, _) = data(workload, n=50), data(workload, n=50)
    np.testing.assert_array_equal(x, again)
    assert x.shape == (50, *workload.input_shape)
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert 0 <= x.min() < x.max() <= (workload.bag[0] - 1 if workload.bag else 1)
    assert all(len(w) == workload.replicas for w in weights(workload).values() if workload.lead)
    assert {b for aims in workload.targets.values() for b in aims} <= set(workload.batch_sizes)


def test_the_normalisations_of_w3_have_scales_of_both_signs():
    drawn = weights(WORKLOADS["W3"])
    assert all((drawn[f"norm{k}.gamma"] < 0).any() and (drawn[f"norm{k}.gamma"] > 0).any() for k in (0, 1))
