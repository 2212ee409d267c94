"""Convolution against the layer of minisgd.nn in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from benchmarks.gpu.kernels.reduce import Reduce
from minisgd.backend.cuda.kernels.tiles import NARROW, SMALL, Cut
from minisgd.errors import ShapeError
from minisgd.nn import Conv2d
from minisgd.nn.cuda.conv import TILES, ConvKernels, Geometry
from tests.kernels.kernel_bench import BATCHES, address, assert_close, empty, normal, run_layer, workspace

GEOMETRIES = {
    "same": Geometry((5, 6, 3), 4, (3, 3), padding=(1, 1)),
    "valid": Geometry((4, 7, 2), 5, (3, 2)),
    "strided": Geometry((7, 8, 3), 2, (3, 3), stride=(2, 3), padding=(1, 2)),
    "one channel": Geometry((6, 6, 1), 17, (5, 5), padding=(2, 2)),
    "pointwise": Geometry((3, 3, 7), 3, (1, 1)),
    "gaps": Geometry((7, 7, 2), 3, (2, 2), stride=(3, 3)),
}


class Layer:
    """The operands of a convolution, weights and gradients inside flat vectors."""

    def __init__(self, library, geometry: Geometry, R: int, B: int, offset: int = 1) -> None:
        self.geometry, self.sizes, dtype = geometry, (R, B), library.dtype
        n, O = int(np.prod(geometry.weights)), geometry.channels  # noqa: E741
        P = offset + n + O + 2 * offset
        w, self.g, self.between = normal((R, P), dtype, seed=1), empty((R, P), dtype), 3 * offset
        self.W, self.dW = (v[:, offset : offset + n].reshape(R, *geometry.weights) for v in (w, self.g))
        self.b, self.db = (v[:, None, offset + n : offset + n + O] for v in (w, self.g))
        self.x, self.dy = (
            normal((R, B, *geometry.image), dtype, seed=2),
            normal((R, B, *geometry.output), dtype, seed=3),
        )
        self.y, self.dx = empty(self.dy.shape, dtype), empty(self.x.shape, dtype)
        self.workspace = workspace(4 * R * (n + O), dtype)

    def run(self, conv: ConvKernels, cut: Cut | None = None) -> None:
        conv.forward(self.x, self.W, self.b, self.y, cut=cut)
        conv.input_gradient(self.dy, self.W, self.dx, cut=cut)
        conv.weight_gradient(self.x, self.dy, self.dW, self.db, workspace=self.workspace, cut=cut)

    def check(self) -> None:
        g = self.geometry
        layer = Conv2d(g.channels, g.kernel, stride=g.stride, padding=g.padding)
        run_layer(layer, self.x, self.dy, W=self.W, b=self.b)
        for name in ("y", "dx", "dW", "db"):
            assert_close(getattr(self, name), getattr(layer, name))
        assert np.isnan(self.g).sum() == self.between * self.sizes[0]  # nothing beside the layer is touched


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize(("R", "B"), [(1, 1), (3, 3)])
def test_geometries(library, name, R, B):
    layer = Layer(library, GEOMETRIES[name], R, B)
    layer.run(ConvKernels(library, address, layer.geometry, 4))
    layer.check()


@pytest.mark.parametrize("B", BATCHES)
def test_batches(float32, B):
    layer = Layer(float32, Geometry((3, 4, 2), 3, (2, 2)), 1, B)
    layer.run(ConvKernels(float32, address, layer.geometry, 1), Cut(NARROW, 1))
    layer.check()


@pytest.mark.parametrize("tile", TILES, ids=("medium", "small", "narrow"))
@pytest.mark.parametrize("splits", [1, 4])
def test_every_tile_and_split(float32, tile, splits):
    layer = Layer(float32, Geometry((5, 5, 9), 35, (3, 3), padding=(1, 1)), 2, 3)
    layer.run(ConvKernels(float32, address, layer.geometry, 1), Cut(tile, splits))
    layer.check()


WIDE = {
    "same": Geometry((5, 6, 8), 12, (3, 3), padding=(1, 1)),
    "strided": Geometry((7, 8, 4), 20, (3, 2), stride=(2, 3), padding=(1, 2)),
    "pointwise": Geometry((4, 3, 36), 8, (1, 1)),
}


@pytest.mark.parametrize("tile", TILES, ids=("medium", "small", "narrow"))
@pytest.mark.parametrize("name", WIDE)
def test_wide_loads_where_channels_are_multiples_of_them(library, name, tile):
    layer = Layer(library, WIDE[name], 2, 3, offset=4)
    conv = ConvKernels(library, address, layer.geometry, 1)
    assert conv._macros(Cut(tile, 1), layer.x, layer.W)["WIDE_LOADS"] == 1
    layer.run(conv, Cut(tile, 2))
    layer.check()


def test_the_cut_of_the_weight_gradient_splits_the_pixels(float32):
    conv = ConvKernels(float32, address, GEOMETRIES["same"], 132)
    assert conv.workspace(1, 1000) > 0
    assert conv.workspace(1, 1) == 0


def test_gradient_norms_of_single_examples(float32):
    """The examples of a batch as replicas give each its own dW; a convolution's norm is no product of norms."""
    g, B = GEOMETRIES["same"], 5
    x, dy = normal((B, 1, *g.image), "float32"), normal((B, 1, *g.output), "float32", seed=1)
    dW, norm = empty((B, *g.weights), "float32"), empty((B,), "float32")
    ConvKernels(float32, address, g, 1).weight_gradient(x, dy, dW, None)
    Reduce(float32).squared_norm(dW.reshape(B, -1), norm)
    for b in range(B):
        layer = run_layer(
            Conv2d(g.channels, g.kernel, padding=g.padding, bias=False), x[b : b + 1], dy[b : b + 1], W=dW[b : b + 1]
        )
        assert_close(norm[b], np.square(layer.dW).sum())


def test_without_bias_and_with_nan(float32):
    layer = Layer(float32, GEOMETRIES["same"], 1, 2)
    conv = ConvKernels(float32, address, layer.geometry, 1)
    layer.x[0, 0, 2, 2, 0], layer.x[0, 1, 0, 0, 1] = np.nan, np.inf
    conv.forward(layer.x, layer.W, None, layer.y, cut=Cut(SMALL, 1))
    touched = np.zeros((2, 5, 6), bool)
    touched[0, 1:4, 1:4] = touched[1, :2, :2] = True
    assert_array_equal(np.isfinite(layer.y[0]).all(-1), ~touched)
    conv.weight_gradient(layer.x, layer.dy, layer.dW, None, cut=Cut(SMALL, 1))
    assert np.isnan(layer.dW[0, :, :, 0]).all() and np.isnan(layer.db).all()


def test_refuses_what_does_not_fit(float32):
    layer = Layer(float32, GEOMETRIES["same"], 1, 2)
    conv = ConvKernels(float32, address, layer.geometry, 1)
    with pytest.raises(ShapeError, match="conv: y must be of shape"):
        conv.forward(layer.x, layer.W, layer.b, layer.y[:, :1])
    with pytest.raises(ShapeError, match="conv: x must be contiguous within a replica"):
        conv.forward(empty((1, 2, 6, 5, 3), "float32").swapaxes(2, 3), layer.W, layer.b, layer.y)
    with pytest.raises(ShapeError, match="conv_dW: workspace must be at least"):
        conv.weight_gradient(layer.x, layer.dy, layer.dW, layer.db, cut=Cut(SMALL, 4))
    with pytest.raises((ShapeError, ValueError), match="must be"):
        conv.forward(layer.x[:, :0], layer.W, layer.b, layer.y[:, :0])
