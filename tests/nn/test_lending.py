from __future__ import annotations

import numpy as np

import minisgd as ms
from minisgd.nn.lending import lend, without_lent
from minisgd.nn.sequential import clone


class Scaled(ms.Layer):
    """A layer that has a constant of its own: y = v x."""

    def __init__(self) -> None:
        super().__init__()
        self.v = np.array([1.0, 2.0, 3.0], dtype=np.float32)

    def declare(self, x):
        from minisgd.nn.declaration import Declaration

        return Declaration(y=x)

    def forward(self, ops, x):
        ops.multiply(x, self.v, out=self.y)
        return self.y

    def backward(self, ops, dy):
        if self.dx is not None:
            ops.multiply(dy, self.v, out=self.dx)
        return self.dx


def test_a_layer_keeps_its_own_arrays_through_copies_and_training():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2
    net = ms.Network(Scaled(), ms.Linear(2))
    run = ms.train(net, (x, y), batch_size=8, epochs=1)
    for each in (net.copy(), run.network, run.network.copy(), run.network.to("cpu"), clone(run.network)):
        np.testing.assert_array_equal(each.layers[0].v, [1, 2, 3])
    np.testing.assert_array_equal(run.network.copy().predict(x), run.network.predict(x))
    run.network.layers[0].v[:] = 0
    np.testing.assert_array_equal(net.layers[0].v, [1, 2, 3])


def test_what_was_lent_stays_behind():
    run = ms.train(ms.Network(ms.Linear(2)), (np.eye(8, dtype=np.float32), np.arange(8) % 2), batch_size=4, epochs=1)
    layer = run.network.layers[0]
    for name in ("x", "y"):
        lend(layer, name, np.ones(1))
    assert {"x", "y"} <= layer._lent
    assert not {"W", "b", "x", "y", "_lent"} & vars(clone(layer)).keys()
    assert not {"vector", "statistics"} & vars(clone(run.network)).keys()


def test_lending_to_a_copy_does_not_lend_to_the_original():
    layer = ms.Linear(2)
    duplicate = without_lent(layer)
    lend(duplicate, "W", np.ones(1))
    assert layer._lent == frozenset() and duplicate._lent == {"W"}
