"""Layer normalisation, with centring and without, against its formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn import LayerNorm, RMSNorm
from minisgd.nn.cuda.layer_norm import SLAB, LayerNormKernels, RMSNormKernels
from tests.kernels.kernel_bench import BATCHES, REPLICAS, assert_close, empty, normal, run_layer

EPS = 1e-5


class Batch:
    """A batch and all that its normalisation writes; parameters are views into longer vectors."""

    def __init__(self, library, R: int, n: int, F: int, kind: type[LayerNormKernels] = LayerNormKernels) -> None:
        self.kernels, dtype = kind(library), library.dtype
        self.x, self.dy = 3 + normal((R, n, F), dtype), normal((R, n, F), dtype, seed=1)
        w, g = normal((R, 2 * F + 1), dtype, seed=2), empty((R, 2 * F + 1), dtype)
        self.gamma, self.beta = w[:, None, :F], w[:, None, F : 2 * F]
        self.dgamma, self.dbeta = g[:, None, :F], g[:, None, F : 2 * F]
        self.y, self.dx = empty((R, n, F), dtype), empty((R, n, F), dtype)
        self.mean, self.inv = empty((R, n), dtype), empty((R, n), dtype)
        if not kind.centred:
            self.beta = self.dbeta = self.mean = None
        self.workspace = empty((self.kernels.workspace(R, n, F),), dtype)

    def run(self) -> None:
        self.kernels.forward(self.x, self.gamma, self.beta, self.y, self.mean, self.inv, eps=EPS)
        self.kernels.backward(
            self.x, self.dy, self.gamma, self.mean, self.inv, self.dgamma, self.dbeta, self.dx,
            workspace=self.workspace,
        )  # fmt: skip

    def check(self) -> None:
        x, dy, gamma = (a.astype("float64") for a in (self.x, self.dy, self.gamma))
        centred, beta = self.kernels.centred, 0 if self.beta is None else self.beta.astype("float64")
        centre = centred * x.mean(-1, keepdims=True)
        inv = 1 / np.sqrt(((x - centre) ** 2).mean(-1, keepdims=True) + EPS)
        xhat, g = (x - centre) * inv, gamma * dy
        condition = (np.abs(x) * inv).max()  # the digits that x − mean loses
        dx = inv * (g - centred * g.mean(-1, keepdims=True) - xhat * (g * xhat).mean(-1, keepdims=True))
        assert_close(self.y, gamma * xhat + beta, condition=condition)
        assert_close(self.dx, dx, terms=inv * g, condition=condition)
        assert_close(
            self.dgamma, (dy * xhat).sum(1, keepdims=True), terms=np.sqrt(x.shape[1]) * dy, condition=condition
        )
        if self.dbeta is not None:
            assert_close(self.dbeta, dy.sum(1, keepdims=True), terms=np.sqrt(x.shape[1]) * dy)


@pytest.mark.parametrize("B", BATCHES)
@pytest.mark.parametrize("R", REPLICAS)
@pytest.mark.parametrize(("kind", "F"), [*((LayerNormKernels, F) for F in (3, 32, 65)), (RMSNormKernels, 35)])
def test_forward_and_backward(library, R, B, F, kind):
    batch = Batch(library, R, B, F, kind)
    batch.run()
    batch.check()


@pytest.mark.parametrize("kind", [LayerNormKernels, RMSNormKernels])
def test_the_layer_of_the_cpu(float64, kind):
    batch = Batch(float64, 3, 33, 7, kind)
    batch.run()
    layer = LayerNorm(eps=EPS) if kind.centred else RMSNorm(eps=EPS)
    run_layer(layer, batch.x, batch.dy, gamma=batch.gamma, **({"beta": batch.beta} if kind.centred else {}))
    for name in ("y", "dx", "dgamma", *(["dbeta"] if kind.centred else [])):
        assert_close(getattr(batch, name), getattr(layer, name), condition=1e3)


def test_slabs_are_merged(library):
    batch = Batch(library, 2, 2 * SLAB + 33, 3)
    batch.run()
    batch.check()


def test_dx_may_be_dy(float32):
    batch, other = Batch(float32, 1, 33, 7), Batch(float32, 1, 33, 7)
    batch.run()
    other.dx = other.dy
    other.run()
    assert_array_equal(other.dx, batch.dx)


def test_nan_shows_in_its_row_alone(float32):
    batch = Batch(float32, 1, 3, 40)
    batch.x[0, 1, 35], batch.x[0, 2, 0] = np.nan, np.inf
    batch.run()
    for result in (batch.y, batch.dx):
        assert np.isfinite(result[0, 0]).all() and np.isnan(result[0, 1:]).all()
    assert np.isnan(batch.dgamma).all()


def test_refuses_what_does_not_fit(float32):
    batch = Batch(float32, 1, 8, 3)
    batch.workspace = batch.workspace[:3]
    with pytest.raises(ShapeError, match="layer_norm: workspace must be at least 6 elements"):
        batch.run()
    with pytest.raises(ArgumentError, match="must be"):
        Batch(float32, 1, 0, 3).run()
    batch.y = batch.y[:, :4]
    with pytest.raises(ShapeError, match="layer_norm: y, dy must be of shape"):
        batch.run()
