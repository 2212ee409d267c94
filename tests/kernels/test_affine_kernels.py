"""The dense layer's three products against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend.cuda.kernels.affine import ACTIVATIONS, Affine
from minisgd.backend.cuda.kernels.splits import Workspace
from minisgd.backend.cuda.kernels.tiles import FLAT, LARGE, MEDIUM, NARROW, SMALL, TILES, Cut, choose_cut, choose_cuts
from minisgd.errors import ArgumentError, ShapeError
from tests.kernels.kernel_bench import BATCHES, REPLICAS, address, assert_close, empty, normal, workspace

SLOPE = 0.25
H100 = 132


def act(name: str, v: np.ndarray) -> np.ndarray:
    branch = {
        "none": lambda: v,
        "relu": lambda: np.maximum(v, 0),
        "leaky_relu": lambda: np.where(v < 0, SLOPE * v, v),
        "sigmoid": lambda: 1 / (1 + np.exp(-v)),
        "tanh": lambda: np.tanh(v),
        "softplus": lambda: np.logaddexp(v, 0),
    }
    return branch[name]()


def slope_of(name: str, y: np.ndarray) -> np.ndarray:
    branch = {
        "none": lambda: np.ones_like(y),
        "relu": lambda: (y > 0) * 1.0,
        "leaky_relu": lambda: np.where(y > 0, 1, SLOPE),
        "sigmoid": lambda: y * (1 - y),
        "tanh": lambda: 1 - y**2,
        "softplus": lambda: 1 - np.exp(-y),
    }
    return branch[name]()


class Layer:
    """The operands of a dense layer, weights and gradients inside flat vectors at an offset."""

    def __init__(self, library, R: int, B: int, I: int, O: int, offset: int = 0) -> None:  # noqa: E741
        self.sizes, self.dtype = (R, B, I, O), library.dtype
        P = offset + I * O + O + offset
        self.w, self.g = normal((R, P), self.dtype, seed=1), empty((R, P), self.dtype)
        views = [
            (v[:, offset : offset + I * O].reshape(R, I, O), v[:, offset + I * O : offset + I * O + O].reshape(R, 1, O))
            for v in (self.w, self.g)
        ]
        (self.W, self.b), (self.dW, self.db) = views
        self.x, self.dy = normal((R, B, I), self.dtype, seed=2), normal((R, B, O), self.dtype, seed=3)
        self.y, self.dx = empty((R, B, O), self.dtype), empty((R, B, I), self.dtype)
        self.workspace = workspace(32 * R * (max(B * O, B * I) + I * O + O), self.dtype)

    def run(self, affine: Affine, *, activation: str = "none", **options) -> None:
        known = {"activation": activation, "slope": SLOPE, "workspace": self.workspace} | options
        gradient = {k: v for k, v in known.items() if k in ("workspace", "cut")}
        affine.forward(self.x, self.W, self.b, self.y, **known)
        affine.input_gradient(self.dy, self.W, self.dx, x=self.x, **known)
        affine.weight_gradient(self.x, self.dy, self.dW, self.db, **gradient)

    def run_both(self, affine: Affine, cuts: tuple[Cut, Cut], *, activation: str = "none") -> None:
        """Let both gradients come from one launch."""
        affine.forward(self.x, self.W, self.b, self.y, activation=activation, slope=SLOPE)
        affine.gradients(
            self.x, self.dy, self.W, self.dW, self.db, self.dx, cuts,
            activation=activation, slope=SLOPE, workspace=self.workspace,
        )  # fmt: skip

    def check(self, activation: str = "none") -> None:
        x, W, b, dy = (a.astype("float64") for a in (self.x, self.W, self.b, self.dy))
        assert_close(self.y, act(activation, x @ W + b))
        assert_close(self.dx, dy @ W.swapaxes(1, 2) * slope_of(activation, x))
        assert_close(self.dW, x.swapaxes(1, 2) @ dy)
        assert_close(self.db, dy.sum(1, keepdims=True))
        R, _, I, O = self.sizes  # noqa: E741
        assert not self.workspace.arrived.any()  # ready for the next launch
        assert np.isnan(self.g).sum() == self.g.size - R * (I * O + O)  # nothing beside the layer is touched


@pytest.mark.parametrize("B", BATCHES)
@pytest.mark.parametrize("R", REPLICAS)
def test_batches_as_the_launcher_cuts_them(float32, R, B):
    layer = Layer(float32, R, B, 19, 10, offset=3)
    layer.run(Affine(float32, address, 4), activation="relu")
    layer.check("relu")


@pytest.mark.parametrize("tile", TILES, ids=("large", "medium", "small", "flat", "narrow"))
@pytest.mark.parametrize("splits", [1, 4])
def test_every_tile(float32, tile, splits):
    layer = Layer(float32, 2, 33, 70, 65, offset=1)
    layer.run(Affine(float32, address, H100), activation="tanh", cut=Cut(tile, splits))
    layer.check("tanh")


@pytest.mark.parametrize("tile", TILES, ids=("large", "medium", "small", "flat", "narrow"))
def test_wide_loads_where_all_rows_are_aligned(float32, tile):
    layer = Layer(float32, 2, 36, 68, 132, offset=4)
    layer.run(Affine(float32, address, H100), cut=Cut(tile, 2))
    layer.check()


@pytest.mark.parametrize("shape", [(2, 36, 68, 132, 4), (2, 33, 70, 65, 1)], ids=("aligned", "odd"))
@pytest.mark.parametrize("tile", TILES, ids=("large", "medium", "small", "flat", "narrow"))
@pytest.mark.parametrize("splits", [1, 2])
def test_copies_past_the_registers(float32, tile, splits, shape):
    """K of 36, 68 and 132: rings of panels that are full, and one step and a rest; aligned or not."""
    layer = Layer(float32, *shape)
    layer.run(Affine(float32, address, H100, copies=True), activation="leaky_relu", cut=Cut(tile, splits))
    layer.check("leaky_relu")


def test_what_is_not_aligned_is_copied_past_the_registers_too(float32):
    affine, cut = Affine(float32, address, H100, copies=True), Cut(MEDIUM, 1)
    for offset, wide in ((4, 1), (1, 0)):
        layer = Layer(float32, 1, 8, 16, 16, offset=offset)
        macros = affine._macros(cut, layer.x, layer.W)
        assert (macros["WIDE_LOADS"], macros["ASYNC"]) == (wide, 1)


@pytest.mark.parametrize("K", [4, 16, 20, 32, 48])
def test_rings_of_few_panels(float32, K):
    layer = Layer(float32, 1, K, K, K, offset=4)
    layer.run(Affine(float32, address, H100, copies=True), cut=Cut(MEDIUM, 1))
    layer.check()


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("splits", [(1, 1), (2, 1), (1, 4), (2, 2)], ids=str)
@pytest.mark.parametrize("tile", TILES[1:], ids=("medium", "small", "flat", "narrow"))
def test_both_gradients_in_one_launch(float32, tile, splits, copies):
    layer = Layer(float32, 2, 36, 68, 72, offset=4)
    cuts = Cut(tile, splits[0]), Cut(tile, splits[1])
    layer.run_both(Affine(float32, address, H100, copies), cuts, activation="relu")
    layer.check("relu")


@pytest.mark.parametrize("B", BATCHES)
@pytest.mark.parametrize("R", REPLICAS)
def test_both_gradients_as_the_launcher_cuts_them(library, R, B):
    affine, layer = Affine(library, address, H100), Layer(library, R, B, 19, 10, offset=3)
    cuts = affine.cuts(R, B, 19, 10)
    assert cuts is not None
    layer.workspace = workspace(affine.workspace_of_both(cuts, R, B, 19, 10), library.dtype)
    layer.run_both(affine, cuts)
    layer.check()


def test_both_gradients_are_those_of_two_launches_bit_for_bit(float32):
    one, two = Layer(float32, 2, 40, 33, 18), Layer(float32, 2, 40, 33, 18)
    one.run_both(Affine(float32, address, H100), (Cut(SMALL, 1), Cut(SMALL, 2)), activation="tanh")
    affine = Affine(float32, address, H100)
    affine.input_gradient(two.dy, two.W, two.dx, x=two.x, activation="tanh", cut=Cut(SMALL, 1))
    affine.weight_gradient(two.x, two.dy, two.dW, two.db, workspace=two.workspace, cut=Cut(SMALL, 2))
    assert_array_equal(one.g, two.g)
    assert_array_equal(one.dx, two.dx)


@pytest.mark.parametrize("tile", [SMALL, MEDIUM], ids=("small", "medium"))
@pytest.mark.parametrize("offset", [2, 3])
def test_float64(float64, tile, offset):
    layer = Layer(float64, 2, 34, 18, 66, offset=offset)
    layer.run(Affine(float64, address, H100), activation="sigmoid", cut=Cut(tile, 2))
    layer.check("sigmoid")


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("splits", [1, 2])
def test_every_activation(float32, activation, splits):
    layer = Layer(float32, 1, 5, 7, 6)
    layer.run(Affine(float32, address, 1), activation=activation, cut=Cut(SMALL, splits))
    layer.check(activation)


def test_shared_and_strided_operands(float32):
    """All replicas read one batch; rows of the batch lie apart."""
    affine, whole = Affine(float32, address, 1), normal((31, 40), "float32")
    x = np.broadcast_to(whole[:, :19], (3, 31, 19))
    W, y = normal((3, 19, 6), "float32", seed=1), empty((3, 31, 6), "float32")
    affine.forward(x, W, None, y)
    assert_close(y, x.astype("float64") @ W)
    dy, dW = normal((3, 31, 6), "float32", seed=2), empty((3, 19, 6), "float32")
    affine.weight_gradient(x, dy, dW, None)
    assert_close(dW, x.astype("float64").swapaxes(1, 2) @ dy)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_and_inf_show(float32, activation):
    x, W, y = np.ones((1, 2, 3), "float32"), np.ones((1, 3, 2), "float32"), empty((1, 2, 2), "float32")
    x[0, 0, 1] = np.nan
    W[0, 1, 1] = np.inf
    Affine(float32, address, 1).forward(x, W, None, y, activation=activation)
    assert np.isnan(y[0, 0]).all()
    assert y[0, 1, 1] == act(activation, np.array(np.inf))


def test_split_sums_repeat_bit_for_bit(float32):
    layers = [Layer(float32, 1, 257, 5, 4) for _ in range(2)]
    for layer in layers:
        layer.run(Affine(float32, address, H100), cut=Cut(SMALL, 4))
    assert_array_equal(layers[0].g, layers[1].g)


def test_a_workspace_serves_one_launch_after_another(float32):
    """The last block of a tile leaves its counter at zero, and results of others do not show."""
    layer, affine = Layer(float32, 2, 40, 35, 33), Affine(float32, address, H100)
    for cut in (Cut(SMALL, 4), Cut(FLAT, 2), Cut(SMALL, 3)):
        layer.run(affine, activation="relu", cut=cut)
        layer.check("relu")


def test_the_cut_follows_the_shape():
    assert choose_cut(1, 4096, 4096, 4096, H100) == Cut(LARGE, 1)
    assert choose_cut(64, 128, 512, 512, H100).splits == 1
    few = choose_cut(1, 128, 512, 4096, H100)
    assert few.splits > 1
    assert choose_cut(1, 128, 512, 4096, H100, may_split=False).splits == 1
    assert choose_cut(1, 1, 512, 64, H100).tile == FLAT
    assert choose_cut(1, 4096, 10, 64, H100).tile == NARROW


def test_two_products_share_a_launch_where_none_fills_the_device():
    cuts = choose_cuts(1, (128, 512, 512), (512, 512, 128), H100)
    assert cuts is not None and cuts[0].tile == cuts[1].tile
    assert choose_cuts(64, (128, 512, 512), (512, 512, 128), H100) is None  # each fills it by itself


def test_workspace_is_what_the_products_need(float32):
    affine, R, B, I, O = Affine(float32, address, H100), 1, 257, 40, 12  # noqa: E741
    elements = affine.workspace(R, B, I, O)
    assert elements > 0
    layer = Layer(float32, R, B, I, O)
    layer.workspace = workspace(elements, "float32")
    layer.run(affine)
    layer.check()
    for few in (
        Workspace(layer.workspace.results[: elements // 4], layer.workspace.arrived),
        Workspace(layer.workspace.results, layer.workspace.arrived[:0]),
    ):
        layer.workspace = few
        with pytest.raises(
            ShapeError, match=r"affine_dW: workspace must be at least \d+ elements, and \d+ for arrivals"
        ):
            affine.weight_gradient(layer.x, layer.dy, layer.dW, layer.db, workspace=few)


def test_refuses_what_does_not_fit(float32):
    affine, x, W, y = Affine(float32, address, 1), *(empty(s, "float32") for s in ((1, 4, 3), (1, 3, 2), (1, 4, 2)))
    with pytest.raises(ShapeError, match="affine: W must be of shape"):
        affine.forward(x, W[:, :2], None, y)
    with pytest.raises(ShapeError, match="affine: x must be contiguous along the last axis"):
        affine.forward(empty((1, 3, 4), "float32").swapaxes(1, 2), W, None, y)
    with pytest.raises(ArgumentError, match="affine: activation must be one of"):
        affine.forward(x, W, None, y, activation="gelu")
    with pytest.raises(ArgumentError, match="must be"):
        affine.forward(x[:, :0], W, None, y[:, :0])
