"""Optimizer updates against the optimizers of minisgd.optim in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import Arena, NumpyOps, Plan
from minisgd.errors import ArgumentError, DtypeError, ShapeError
from minisgd.nn.layout import Layout
from minisgd.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSProp
from minisgd.optim.cuda.kernels import CLOCKS, Update
from tests.kernels.kernel_bench import REPLICAS, assert_close, empty, normal

Step = Callable[[Update, Any, Any, Any, dict[str, Any], Any], None]

CASES: dict[str, tuple[Optimizer, Step]] = {
    "sgd": (SGD(0.1), lambda u, w, g, lr, s, t: u.sgd(w, g, lr)),
    "sgd decay": (SGD(0.1, weight_decay=0.01), lambda u, w, g, lr, s, t: u.sgd(w, g, lr, weight_decay=0.01)),
    "momentum": (
        SGD(0.1, momentum=0.9, weight_decay=0.01),
        lambda u, w, g, lr, s, t: u.momentum(w, s["velocity"], g, lr, momentum=0.9, weight_decay=0.01),
    ),
    "nesterov": (
        SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda u, w, g, lr, s, t: u.nesterov(w, s["velocity"], g, lr, momentum=0.9, weight_decay=0.01),
    ),
    "rmsprop": (
        RMSProp(0.01, alpha=0.9, weight_decay=0.01),
        lambda u, w, g, lr, s, t: u.rmsprop(w, s["mean_square"], g, lr, alpha=0.9, weight_decay=0.01),
    ),
    "rmsprop momentum": (
        RMSProp(0.01, alpha=0.9, momentum=0.9),
        lambda u, w, g, lr, s, t: u.rmsprop(w, s["mean_square"], g, lr, v=s["velocity"], alpha=0.9, momentum=0.9),
    ),
    "adagrad": (
        Adagrad(0.01, weight_decay=0.01),
        lambda u, w, g, lr, s, t: u.adagrad(w, s["sum_of_squares"], g, lr, weight_decay=0.01),
    ),
    "adam": (
        Adam(0.01, weight_decay=0.01),
        lambda u, w, g, lr, s, t: u.adam(w, s["m"], s["v"], g, lr, t, weight_decay=0.01),
    ),
    "adamw": (
        AdamW(0.01, weight_decay=0.1),
        lambda u, w, g, lr, s, t: u.adamw(w, s["m"], s["v"], g, lr, t, weight_decay=0.1),
    ),
}

each = pytest.mark.parametrize(("optimizer", "step"), CASES.values(), ids=CASES.keys())


class Reference:
    """The optimizer on the CPU in float64, from weights w (R, P)."""

    def __init__(self, optimizer: Optimizer, w: np.ndarray, lr: np.ndarray) -> None:
        ops, layout = NumpyOps(), Layout([("w", (w.shape[1],), "weight")])
        arena = Arena(ops, Plan(optimizer.requests(layout, "float64")), w.shape[:1])
        self.w, self.g = w.astype("float64"), np.zeros(w.shape)
        self.lr = lr.astype("float64")
        self.buffers = optimizer.buffers(arena, layout, self.w, self.g, self.lr)
        self.optimizer, self.ops = optimizer, ops

    def step(self, g: np.ndarray) -> None:
        self.g[...] = g
        self.optimizer.step(self.ops, self.buffers)


@each
@pytest.mark.parametrize("R", REPLICAS)
@pytest.mark.parametrize("P", [1, 33, 1025])
def test_three_steps_are_the_optimizer(library, optimizer, step, R, P):
    dtype = library.dtype
    w, lr = normal((R, P), dtype), np.geomspace(0.01, 0.1, R).astype(np.float32).astype(dtype)[:, None]
    duplicate, update = Reference(optimizer, w, lr), Update(library)
    state = {name: np.zeros((R, P), dtype) for name in optimizer.slots}
    clocks = [np.zeros(()) for _ in CLOCKS]
    for t in range(3):
        g = normal((R, P), dtype, seed=t + 1)
        before = g.copy()
        lr /= 2  # a schedule writes to the array that the kernel reads
        duplicate.lr /= 2
        step(update, w, g, lr, state, clocks)
        duplicate.step(g)
        assert_array_equal(g, before)
        assert clocks[0] == (t + 1 if isinstance(optimizer, Adam) else 0)
    assert_close(w, duplicate.w)
    for name in optimizer.slots:
        assert_close(state[name], duplicate.buffers.slots[name])


@each
def test_nan_and_inf_show(float32, optimizer, step):
    w, g, lr = np.ones((1, 5), "float32"), np.ones((1, 5), "float32"), np.full((1, 1), 0.1, "float32")
    g[0, 1], g[0, 3] = np.nan, np.inf
    state = {name: np.zeros((1, 5), "float32") for name in optimizer.slots}
    step(Update(float32), w, g, lr, state, [np.zeros(()) for _ in CLOCKS])
    assert_array_equal(np.isfinite(w), [[True, False, True, False, True]])


def test_refuses_what_does_not_fit(float32):
    update, w, lr = Update(float32), empty((2, 5), "float32"), np.ones((2, 1), "float32")
    with pytest.raises(ShapeError, match="sgd: vectors must be of shape"):
        update.sgd(w, empty((2, 6), "float32"), lr)
    with pytest.raises(ShapeError, match="sgd: lr must be of shape"):
        update.sgd(w, w.copy(), lr[0])
    with pytest.raises(DtypeError, match="sgd: g must be an array of float32"):
        update.sgd(w, w.astype("float64"), lr)
    with pytest.raises(ShapeError, match="sgd: w must be C-contiguous"):
        update.sgd(empty((5, 2), "float32").T, w.copy(), lr)
    with pytest.raises(ArgumentError, match="must be"):
        update.sgd(w[:, :0], w[:, :0], lr)
    with pytest.raises(ShapeError, match="t must be of shape"):
        update.adam(w, w.copy(), w.copy(), w.copy(), lr, [np.zeros(1)] * 3)
