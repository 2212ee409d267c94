"""Signal to noise of every parameter's gradient."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms


@pytest.mark.parametrize("layers", [[ms.Linear(5), ms.LayerNorm(), ms.ReLU(), ms.Linear(3)], [ms.Linear(3)]])
def test_it_is_the_mean_over_the_spread(layers: list[ms.Layer]) -> None:
    rng = np.random.default_rng(0)
    net = ms.Network(*layers).build((4,), dtype="float64")
    x, y = rng.normal(size=(30, 4)), np.arange(30) % 3
    g = ms.per_example_gradients(net, x, y)
    g = g[:, g.any(0)]
    found = ms.gsnr(net, (x, y))
    assert found.examples == 30
    alive = found.values[found.values > 0]
    assert_allclose(alive, g.mean(0) ** 2 / g.var(0, ddof=1), rtol=1e-8)
    assert found.by_parameter[f"{len(layers) - 1}.W"].shape[1] == 3
    assert_allclose((found.median, found.mean), (np.median(found.values), found.values.mean()))
    assert found.quantile(1.0) == found.values.max()
    assert found.summary().keys() == found.by_parameter.keys()


def test_dead_and_unanimous_parameters() -> None:
    net = ms.Network(ms.Linear(1)).build((2,), dtype="float64", init=ms.init.Zeros())
    x = np.c_[np.zeros(4), np.ones(4)]
    found = ms.gsnr(net, (x, np.full(4, 3.0)))
    assert found.values.tolist() == [0.0, np.inf, np.inf]  # an input that is never there; and all agree


def test_wrong_uses_are_refused() -> None:
    net = ms.Network(ms.Linear(2)).build((2,))
    with pytest.raises(ms.ArgumentError, match="^data must be at least 2 examples, got 1"):
        ms.gsnr(net, ms.Split(np.zeros((1, 2)), np.array([1])))
    with pytest.raises(ms.DivergedError, match="^gradient must be finite"):
        ms.gsnr(ms.Network(ms.Linear(1)).build((2,)), (np.full((3, 2), 1e200), np.ones(3)))
    found = ms.gsnr(net, ms.Split(np.eye(2), np.array([0, 1])))
    with pytest.raises(ms.ArgumentError, match=r"^share must be in \[0, 1\], got 2"):
        found.quantile(2)
