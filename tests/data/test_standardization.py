from __future__ import annotations

import numpy as np
import pytest

from minisgd.data import standardization
from minisgd.data.standardization import Standardization


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 7, 4096])
def test_mean_zero_and_deviation_one(dtype, rows, monkeypatch):
    monkeypatch.setattr(standardization, "_ROWS", rows)
    x = (np.random.default_rng(0).normal(size=(50, 3)) * [1, 100, 1e-3] + [5, -7e3, 2]).astype(dtype)
    rule = Standardization.of(x)
    np.testing.assert_allclose(rule.mean, x.astype(np.float64).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(rule.std, x.astype(np.float64).std(axis=0), rtol=1e-9)
    z = rule.apply(x)
    assert z.dtype == dtype
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(z.std(axis=0), 1, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_features_are_only_centred(dtype):
    x = np.full((1001, 2), 0.1, dtype=dtype)  # 0.1 has no exact mean: rounding must not be blown up
    x[:, 1] = 0
    rule = Standardization.of(x)
    np.testing.assert_array_equal(rule.std, [1, 1])
    np.testing.assert_allclose(rule.apply(x), 0, atol=1e-12)


def test_a_known_case_and_any_shape():
    x = np.array([1.0, 3.0]).reshape(2, 1, 1)
    rule = Standardization.of(x)
    assert rule.mean == 2 and rule.std == 1
    np.testing.assert_array_equal(rule.apply(np.array([[[4.0]]])), [[[2.0]]])
