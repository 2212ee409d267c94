"""Per-example gradients of every layer, against a loop of backward passes over single examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.backend import NumpyOps, Ops
from minisgd.data import Split
from minisgd.lab.instruments import Objective
from minisgd.nn import Declaration, Layer, Network, Parameter, init
from minisgd.nn.per_example import RULES, OuterProduct, Stacked
from minisgd.training.example_pass import ExamplePass, InnerProducts, SquaredNorms, SumOfSquares
from minisgd.training.feeds.feed import ExampleSpec, Feed, HostData
from minisgd.typing import Array, HostArray, Shape
from tests.nn.layer_tables import CASES, LAYERS, shape_of

N = 5


class Scale(Layer):
    """y = s x, with one s for each feature, and for all features another: a layer that has no rule."""

    s: Array
    ds: Array
    t: Array
    dt: Array
    work: Array

    def declare(self, x: Shape) -> Declaration:
        one, all_of_them = Parameter((x[-1],), init.Ones()), Parameter((1,), init.Ones())
        return Declaration(y=x, parameters={"s": one, "t": all_of_them}, buffers={"work": ms.Buffer(x)})

    def forward(self, ops: Ops, x: Array) -> Array:
        ops.multiply(x, self.s, out=self.work)
        ops.multiply(self.work, self.t, out=self.y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        ops.multiply(dy, self.work, out=self.work)
        ops.sum(self.work, (-2, -1), out=self.dt.reshape(self.dt.shape[:-2]))
        ops.multiply(dy, self.x, out=self.work)
        ops.multiply(self.work, self.t, out=self.work)
        ops.sum_batch(self.work, out=self.ds)
        if self.dx is not None:
            ops.multiply(dy, self.s, out=self.dx)
            ops.multiply(self.dx, self.t, out=self.dx)
        return self.dx


def network_around(layer: Layer, shape: Shape, rng: np.random.Generator) -> Network:
    """Return a network with the layer in the middle, weights and running statistics anywhere."""
    before = [ms.Conv2d(shape[-1], 1)] if len(shape) == 3 else [ms.Linear(shape[-1])]
    net = Network(*before, layer, ms.Flatten(), ms.Linear(2)).build(shape, dtype="float64")
    net.vector[...] = rng.normal(0, 0.7, net.vector.shape)
    net.statistics[...] = rng.uniform(0.3, 2, net.statistics.shape)
    return net


def loop(net: Network, x: HostArray, y: HostArray) -> HostArray:
    """Return the gradient of every example by a backward pass of its own, (N, P)."""
    return np.array([Objective(net, Split(x[i : i + 1], y[i : i + 1])).gradient(net.vector) for i in range(len(x))])


def read(net: Network, x: HostArray, y: HostArray, chunk: int | None = None) -> dict[str, Any]:
    """Return all that one pass reads, by its readers."""
    split, loss = Split(x, y), ms.SoftmaxCrossEntropy()
    feed = Feed(ExampleSpec.of(split, 1.0, "float64"), "float64")
    gradient, squares = np.zeros(net.n_parameters), np.zeros(net.n_parameters)
    norms, products = SquaredNorms(), InnerProducts(gradient)
    data = HostData.of(split, "float64")
    of = ExamplePass(net, loss, data, feed, [norms, products, SumOfSquares(squares)], gradient=gradient, chunk=chunk)
    ((_, n),) = of.chunks(np.arange(len(x)))
    return {"norms": norms.rows[n], "products": products.rows[n], "squares": squares, "sum": gradient}


def agree(net: Network, x: HostArray, y: HostArray) -> None:
    single, found = loop(net, x, y), read(net, x, y)
    total = single.sum(0)
    for k, segment in enumerate(net.layout):
        own = single[:, segment.offset : segment.stop]
        assert_allclose(found["norms"][k], (own**2).sum(1), rtol=1e-10, atol=1e-12, err_msg=segment.name)
        products = own @ total[segment.offset : segment.stop]
        assert_allclose(found["products"][k], products, rtol=1e-10, atol=1e-11, err_msg=segment.name)
    assert_allclose(found["squares"], (single**2).sum(0), rtol=1e-10, atol=1e-12)
    assert_allclose(found["sum"], total, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name, kind", CASES)
def test_every_layer_agrees_with_a_loop_over_examples(name: str, kind: str) -> None:
    rng = np.random.default_rng(sum(map(ord, name + kind)))
    shape = shape_of(kind, rng)
    net = network_around(LAYERS[name].make(shape), shape, rng)
    agree(net, rng.normal(0, 1, (N, *shape)), rng.integers(0, 2, N))


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a short cut"])
def test_layers_without_a_rule_run_as_replicas(inside: bool) -> None:
    rng = np.random.default_rng(1)
    layer = ms.Residual(Scale(), ms.Tanh()) if inside else Scale()
    agree(network_around(layer, (4,), rng), rng.normal(0, 1, (N, 4)), rng.integers(0, 2, N))


@pytest.mark.parametrize("kind", [ms.Linear, ms.Conv2d, ms.LayerNorm])
def test_rules_and_replicas_agree(kind: type[Layer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ways to the same gradients: by the layer's calculus, and by running it once more."""
    rng = np.random.default_rng(2)
    layers: dict[Any, Layer] = {ms.Linear: ms.Linear(3), ms.Conv2d: ms.Conv2d(2, 2), ms.LayerNorm: ms.LayerNorm()}
    shape = (4,) if kind is ms.Linear else (4, 3, 2)
    net = network_around(layers[kind], shape, rng)
    x, y = rng.normal(0, 1, (N, *shape)), rng.integers(0, 2, N)
    by_rule = read(net, x, y)
    monkeypatch.delitem(RULES, kind)
    for key, found in read(net, x, y).items():
        assert_allclose(found, by_rule[key], rtol=1e-11, atol=1e-13, err_msg=key)


def test_a_subclass_is_not_taken_for_its_parent() -> None:
    class Doubled(ms.Linear):
        def backward(self, ops: Ops, dy: Array) -> Array | None:
            dx = super().backward(ops, dy)
            ops.multiply(self.dW, 2.0, out=self.dW)
            return dx

    rng = np.random.default_rng(3)
    agree(network_around(Doubled(3), (4,), rng), rng.normal(0, 1, (N, 4)), rng.integers(0, 2, N))


def test_an_outer_product_is_what_it_stands_for() -> None:
    rng, ops = np.random.default_rng(4), NumpyOps()
    a, delta, v = rng.normal(size=(6, 3)), rng.normal(size=(6, 4)), rng.normal(size=(3, 4))
    G = np.einsum("ni,no->nio", a, delta)
    for factor in (OuterProduct(a, delta), Stacked(G.reshape(6, -1))):
        rows, square = np.zeros(6), np.zeros((3, 4))
        factor.squared_norms(ops, rows)
        assert_allclose(rows, (G**2).sum((1, 2)), rtol=1e-13)
        factor.inner_products(ops, v, rows)
        assert_allclose(rows, (G * v).sum((1, 2)), rtol=1e-12)
        factor.sum_of_squares(ops, square)
        assert_allclose(square, (G**2).sum(0), rtol=1e-13)


def test_the_norm_of_a_convolution_is_no_product_of_norms() -> None:
    """The wrong formula is wrong by much: the test above would notice."""
    rng = np.random.default_rng(5)
    net = Network(ms.Conv2d(2, 2), ms.Flatten(), ms.Linear(2)).build((3, 3, 1), dtype="float64")
    x, y = rng.normal(0, 1, (N, 3, 3, 1)), rng.integers(0, 2, N)
    patches = np.lib.stride_tricks.sliding_window_view(x[..., 0], (2, 2), axis=(1, 2)).reshape(N, 4, 4)
    delta = np.array([Objective(net, Split(x[i : i + 1], y[i : i + 1])).gradient(net.vector) for i in range(N)])
    right = read(net, x, y)["norms"][0]
    bias = (delta[:, 8:10] ** 2).sum(1)  # |Σ_positions δ|²
    assert (abs((patches**2).sum((1, 2)) * bias / right - 1) > 0.2).any()
