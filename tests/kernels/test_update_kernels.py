"""Optimizer updates against the optimizers of minisgd.optim in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import Arena, NumpyOps, Plan
from minisgd.errors import ArgumentError, DtypeError, ShapeError
from minisgd.nn.layout import Layout
from minisgd.optim import SGD, Adam, Optimizer, ScheduleFreeSGD
from minisgd.optim.cuda.formulas import FORMULAS
from minisgd.optim.cuda.updates import launch, launch_interpolation
from minisgd.optim.schedule_free import ScheduleFreeOptimizer
from tests.kernels.kernel_bench import REPLICAS, address, assert_close, empty, normal
from tests.optim.optimizer_table import OPTIMIZERS as TABLE

OPTIMIZERS: dict[str, Optimizer] = {name: o for name, o in TABLE.items() if type(o) in FORMULAS}

each = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())


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


def shares(optimizer: Optimizer, R: int, dtype: str) -> list[np.ndarray]:
    """The shares in the average and the sums that they follow from, of a schedule-free optimizer at its start."""
    return (
        [np.zeros((R, 1), dtype) for _ in ScheduleFreeOptimizer.rates]
        if isinstance(optimizer, ScheduleFreeOptimizer)
        else []
    )


@each
@pytest.mark.parametrize("R", REPLICAS)
@pytest.mark.parametrize("P", [1, 33, 1025])
def test_three_steps_are_the_optimizer(library, optimizer, R, P):
    dtype = library.dtype
    w, lr = normal((R, P), dtype), np.geomspace(0.01, 0.1, R).astype(np.float32).astype(dtype)[:, None]
    duplicate = Reference(optimizer, w, lr)
    state = {name: np.zeros((R, P), dtype) for name in optimizer.slots}
    clocks, rates = [np.zeros(()) for _ in optimizer.clocks], shares(optimizer, R, dtype)
    for t in range(3):
        g = normal((R, P), dtype, seed=t + 1)
        before = g.copy()
        lr /= 2  # a schedule writes to the array that the kernel reads
        duplicate.lr /= 2
        launch(library, address, optimizer, w, g, lr, state, clocks, rates)
        duplicate.step(g)
        assert_array_equal(g, before)
        assert [float(clock) for clock in clocks[:1]] == [t + 1][: len(clocks)]
    assert_close(w, duplicate.w)
    for name in optimizer.slots:
        assert_close(state[name], duplicate.buffers.slots[name])


@each
@pytest.mark.parametrize("padded", [40, 41])
def test_rows_that_lie_apart_aligned_or_not(library, optimizer, padded):
    """What is between the rows of replicas is left alone."""
    R, P, dtype = 3, 37, library.dtype
    slots = optimizer.slots
    w, g, *state = (empty((R, padded), dtype) for _ in range(2 + len(slots)))
    w[:, :P], g[:, :P] = normal((R, P), dtype), normal((R, P), dtype, seed=1)
    for vector in state:
        vector[:, :P] = 0
    lr = np.full((R, 1), 0.1, dtype)
    reference = Reference(optimizer, w[:, :P], lr)
    reference.step(g[:, :P])
    clocks = [np.zeros(()) for _ in optimizer.clocks]
    views = dict(zip(slots, (vector[:, :P] for vector in state), strict=True))
    launch(library, address, optimizer, w[:, :P], g[:, :P], lr, views, clocks, shares(optimizer, R, dtype))
    assert_close(w[:, :P], reference.w)
    for vector in (w, *state):
        assert np.isnan(vector[:, P:]).all()


@each
def test_nan_and_inf_show(float32, optimizer):
    w, g, lr = np.ones((1, 5), "float32"), np.ones((1, 5), "float32"), np.full((1, 1), 0.1, "float32")
    g[0, 1], g[0, 3] = np.nan, np.inf
    state = {name: np.zeros((1, 5), "float32") for name in optimizer.slots}
    reference = Reference(optimizer, w, lr)
    with np.errstate(invalid="ignore"):
        reference.step(g)
    clocks = [np.zeros(()) for _ in optimizer.clocks]
    launch(float32, address, optimizer, w, g, lr, state, clocks, shares(optimizer, 1, "float32"))
    assert_array_equal(np.isfinite(w), np.isfinite(reference.w))
    assert np.isnan(w[0, 1])


@pytest.mark.parametrize("P", [1, 33, 1025])
def test_interpolating(library, P):
    w, d = normal((3, P), library.dtype), normal((3, P), library.dtype, seed=1)
    expected = w.astype("float64") + 0.3 * d.astype("float64")
    launch_interpolation(library, address, ScheduleFreeSGD(momentum=0.7), w, d)
    assert_close(w, expected)


def test_refuses_what_does_not_fit(float32):
    w, lr = empty((2, 5), "float32"), np.ones((2, 1), "float32")

    def sgd(w, g, lr):
        launch(float32, address, SGD(0.1), w, g, lr, {})

    with pytest.raises(ShapeError, match="sgd: vectors must be of shape"):
        sgd(w, empty((2, 6), "float32"), lr)
    with pytest.raises(ShapeError, match="sgd: lr must be of shape"):
        sgd(w, w.copy(), lr[0])
    with pytest.raises(DtypeError, match="sgd: g must be an array of float32"):
        sgd(w, w.astype("float64"), lr)
    with pytest.raises(ShapeError, match="sgd: vectors must be contiguous along the last axis"):
        sgd(empty((5, 2), "float32").T, w.copy(), lr)
    with pytest.raises(ArgumentError, match="must be"):
        sgd(w[:, :0], w[:, :0], lr)
    with pytest.raises(ShapeError, match="t must be of shape"):
        launch(float32, address, Adam(0.1), w, w.copy(), lr, {"m": w.copy(), "v": w.copy()}, [np.zeros(1)] * 3)
