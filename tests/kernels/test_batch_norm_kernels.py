"""Batch normalisation against the layer of minisgd.nn in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn import BatchNorm as BatchNormLayer
from minisgd.nn.cuda.batch_norm_kernels import SLAB, BatchNormKernels, Ghosts
from tests.kernels.kernel_bench import REPLICAS, assert_close, empty, normal, run_layer

RATE, EPS = 0.1, 1e-5


class Batch:
    """A batch and all that its normalisation writes; parameters are views into longer vectors, replicas lie apart."""

    def __init__(self, library, R: int, B: int, pixels: int, C: int, ghost: int | None, **options) -> None:
        affine, self.weight = options.get("affine", True), options.get("weight", 1.0)
        self.kernels, self.dtype, n = BatchNormKernels(library), library.dtype, B * pixels
        self.ghosts = Ghosts.of(B, pixels, ghost)
        self.ghost, self.pixels, G = ghost or B, pixels, self.ghosts.count
        self.x = 30 + normal((R, n + 2, C), self.dtype)[:, :n]
        self.dy = normal((R, n + 1, C), self.dtype, seed=1)[:, :n]
        w, g = normal((R, 2 * C + 5), self.dtype, seed=2), empty((R, 2 * C + 5), self.dtype)
        self.gamma, self.beta = w[:, None, 3 : C + 3], w[:, None, C + 3 : 2 * C + 3]
        self.dgamma, self.dbeta = g[:, None, 3 : C + 3], g[:, None, C + 3 : 2 * C + 3]
        if not affine:
            self.gamma = self.beta = self.dgamma = self.dbeta = None
        self.y, self.dx = empty((R, n + 3, C), self.dtype)[:, :n], empty((R, n, C), self.dtype)
        self.mean, self.inv, self.s, self.sx = (empty((R, G, C), self.dtype) for _ in range(4))
        statistics = np.repeat(np.array([[[0], [1], [self.weight]]], self.dtype), C, 2).repeat(R, 0)
        self.running = [statistics[:, k : k + 1] for k in range(3)]
        self.running_mean, self.running_var, self.running_weight = self.running
        self.workspace = empty((self.ghosts.workspace(R, n, C),), self.dtype)

    def run(self) -> None:
        self.kernels.forward(
            self.x, self.gamma, self.beta, self.y, self.mean, self.inv, *self.running,
            ghosts=self.ghosts, rate=RATE, eps=EPS, workspace=self.workspace,
        )  # fmt: skip
        self.kernels.backward(
            self.x, self.dy, self.gamma, self.mean, self.inv, self.dgamma, self.dbeta, self.dx, self.s, self.sx,
            ghosts=self.ghosts, workspace=self.workspace,
        )  # fmt: skip

    def check(self) -> None:
        x, dy = self.x.astype("float64"), self.dy.astype("float64")
        n, size, G = x.shape[1], self.ghost * self.pixels, self.ghosts.count
        gamma = 1.0 if self.gamma is None else self.gamma.astype("float64")
        beta = 0.0 if self.beta is None else self.beta.astype("float64")
        y, dx, dgamma, dbeta, condition = np.empty_like(x), np.empty_like(x), 0.0, 0.0, 0.0
        running_mean, running_var, weight = 0.0, 1.0, self.weight
        for g in range(G):
            part = slice(g * size, n if g == G - 1 else (g + 1) * size)
            p, d = x[:, part], dy[:, part]
            mean, var, m = p.mean(1, keepdims=True), p.var(1, keepdims=True), p.shape[1]
            inv = 1 / np.sqrt(var + EPS)
            xhat = (p - mean) * inv
            condition = max(condition, (np.abs(p) * inv).max())  # the digits that x − mean loses
            y[:, part] = gamma * xhat + beta
            old, weight = (1 - RATE) * weight, (1 - RATE) * weight + RATE
            running_mean = (old * running_mean + RATE * mean) / weight
            running_var = (old * running_var + RATE * var * m / (m - 1)) / weight
            s, sx = d.sum(1, keepdims=True), (d * xhat).sum(1, keepdims=True)
            dgamma, dbeta = dgamma + sx, dbeta + s
            dx[:, part] = gamma * inv * (d - s / m - xhat * sx / m)
        assert_close(self.y, y, condition=condition)
        assert_close(self.dx, dx, terms=np.abs(gamma * dy).max() * self.inv, condition=condition)
        assert_close(self.running_mean, running_mean)
        assert_close(self.running_var, running_var)
        assert_close(self.running_weight, np.full(self.running_weight.shape, weight))
        if self.dgamma is not None:
            assert_close(self.dgamma, dgamma, terms=np.sqrt(n) * dy, condition=condition)
            assert_close(self.dbeta, dbeta, terms=np.sqrt(n) * dy)


@pytest.mark.parametrize("B", [2, 31, 32, 33, 257])
@pytest.mark.parametrize("R", REPLICAS)
@pytest.mark.parametrize("C", [1, 5, 33])
def test_features(library, R, B, C):
    batch = Batch(library, R, B, 1, C, None)
    batch.run()
    batch.check()


@pytest.mark.parametrize(("B", "ghost"), [(8, 4), (9, 4), (11, 4), (5, 8), (1, None), (7, 1)])
def test_ghost_batches_of_images(library, B, ghost):
    batch = Batch(library, 2, B, 6, 3, ghost)
    batch.run()
    batch.check()


@pytest.mark.parametrize(("B", "count"), [(8, 2), (9, 2), (10, 3), (4, 1), (5, 1)])
def test_a_single_value_left_over_joins_the_ghost_batch_before(float32, B, count):
    batch = Batch(float32, 1, B, 1, 3, 4)
    assert batch.ghosts.count == count
    batch.run()
    batch.check()


def test_slabs_are_merged(library):
    batch = Batch(library, 1, 2 * SLAB + 33, 1, 9, None, affine=False)
    assert batch.ghosts.slabs(batch.x.shape[1]) == 3
    batch.run()
    batch.check()


def test_in_place_and_evaluation(library):
    batch = Batch(library, 3, 33, 1, 10, None)
    batch.run()
    infer, y = empty(batch.x.shape, batch.dtype), batch.y.copy()
    batch.kernels.infer(batch.x, batch.gamma, batch.beta, infer, batch.running_mean, batch.running_var, eps=EPS)
    scale = batch.gamma.astype("float64") / np.sqrt(batch.running_var.astype("float64") + EPS)
    assert_close(infer, (batch.x.astype("float64") - batch.running_mean) * scale + batch.beta)
    batch.y = batch.x
    batch.kernels.forward(
        batch.x, batch.gamma, batch.beta, batch.x, batch.mean, batch.inv, *batch.running,
        ghosts=batch.ghosts, rate=RATE, eps=EPS, workspace=batch.workspace,
    )  # fmt: skip
    assert_array_equal(batch.x, y)


@pytest.mark.parametrize("ghost", [None, 4])
def test_running_averages_of_weight_0_are_replaced(library, ghost):
    batch = Batch(library, 2, 9, 1, 5, ghost, weight=0.0)
    batch.run()
    batch.check()


@pytest.mark.parametrize(("B", "ghost"), [(8, 4), (11, 4), (9, None)])
def test_the_layer_of_the_cpu(float64, B, ghost):
    batch = Batch(float64, 3, B, 6, 5, ghost)
    batch.run()
    images = (3, B, 2, 3, 5)
    layer = run_layer(
        BatchNormLayer(momentum=RATE, eps=EPS, ghost=ghost),
        batch.x.reshape(images),
        batch.dy.reshape(images),
        gamma=batch.gamma,
        beta=batch.beta,
    )
    for name in ("y", "dx", "dgamma", "dbeta", "running_mean", "running_var", "running_weight"):
        expected = getattr(layer, name)
        assert_close(getattr(batch, name).reshape(expected.shape), expected, condition=1e3)


def test_nan_shows_in_its_channel_alone(float32):
    batch = Batch(float32, 1, 33, 1, 4, None)
    batch.x[0, 7, 1], batch.x[0, 9, 2] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        batch.run()
    for result in (batch.y, batch.dx, batch.dgamma):
        assert_array_equal(np.isnan(result).all(1), [[False, True, True, False]])


def test_refuses_what_does_not_fit(float32):
    with pytest.raises(ShapeError, match="at least two values per channel"):
        Ghosts.of(1, 1, None)
    with pytest.raises(ShapeError, match="at least two values per channel"):
        Ghosts.of(8, 1, 1)
    with pytest.raises(ArgumentError, match="must be"):
        x = np.zeros((1, 0, 3), "float32")
        BatchNormKernels(float32).infer(x, None, None, x, np.zeros((1, 1, 3), "f4"), np.ones((1, 1, 3), "f4"), eps=EPS)
    batch = Batch(float32, 1, 8, 1, 3, None)
    batch.workspace = batch.workspace[:3]
    with pytest.raises(ShapeError, match="batch_norm: workspace must be at least 6 elements"):
        batch.run()
    batch.x = empty((1, 3, 8), "float32").swapaxes(1, 2)
    with pytest.raises(ShapeError, match="contiguous"):
        batch.run()
