"""Layers, losses and optimizers of one's own that compute with NumPy where operations are recorded: refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import minisgd as ms

DATA = ms.datasets.digits(validation=0.2, seed=0)


class Same(ms.Layer):
    """y = s x, as it should be written."""

    def declare(self, x: Any) -> Any:
        return ms.Declaration(y=x, parameters={"s": ms.Parameter((x[-1],), ms.init.Ones())})

    def forward(self, ops: Any, x: Any) -> Any:
        ops.multiply(x, self.s, out=self.y)
        return self.y

    def backward(self, ops: Any, dy: Any) -> Any:
        ops.multiply(self.x, dy, out=self.y)
        ops.sum_batch(self.y, out=self.ds)
        if self.dx is not None:
            ops.multiply(dy, self.s, out=self.dx)
        return self.dx


class ReturnsAnArray(Same):
    def forward(self, ops: Any, x: Any) -> Any:
        return np.maximum(x, 0)


class WritesByNumPy(Same):
    def forward(self, ops: Any, x: Any) -> Any:
        np.maximum(x, 0, out=self.y)
        return self.y


class ReturnsItsInput(Same):
    def forward(self, ops: Any, x: Any) -> Any:
        return x


class ReturnsNothing(Same):
    def forward(self, ops: Any, x: Any) -> Any:
        super().forward(ops, x)


class ForgetsTheParameter(Same):
    def backward(self, ops: Any, dy: Any) -> Any:
        if self.dx is not None:
            ops.multiply(dy, self.s, out=self.dx)
        return self.dx


class ReturnsItsGradient(Same):
    def backward(self, ops: Any, dy: Any) -> Any:
        super().backward(ops, dy)
        return None


class GradientByNumPy(Same):
    def backward(self, ops: Any, dy: Any) -> Any:
        ops.multiply(self.x, dy, out=self.y)
        ops.sum_batch(self.y, out=self.ds)
        return dy * self.s


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (ReturnsAnArray, "ReturnsAnArray: forward must be a method that writes y by operations"),
        (WritesByNumPy, "WritesByNumPy: forward must be a method that writes y"),
        (ReturnsItsInput, "ReturnsItsInput: forward must be a method that writes y"),
        (ReturnsNothing, "ReturnsNothing: forward must be a method that returns an array, got None; .*return self.y"),
        (ForgetsTheParameter, "ForgetsTheParameter: backward must be a method that writes ds"),
        (ReturnsItsGradient, "ReturnsItsGradient: backward must be .* got None; .*return self.dx"),
        (GradientByNumPy, "GradientByNumPy: backward must be a method that writes dx"),
    ],
)
def test_layers_that_compute_once_are_refused(layer: Any, message: str) -> None:
    with pytest.raises(ms.ArgumentError, match=message):
        ms.train(ms.Network(ms.Linear(8), layer(), ms.Linear(10)), DATA, epochs=1)


def test_a_layer_that_writes_all_is_taken() -> None:
    for layers in ((Same(), ms.Linear(10)), (ms.Linear(8), Same(), ms.ReLU(), Same(), ms.Linear(10))):
        assert ms.train(ms.Network(*layers), DATA, epochs=1).steps


class Squared(ms.Loss):
    """ℓ = (z − t)²"""

    task = "regression"

    def declare(self, z: Any, kind: Any) -> Any:
        return ms.LossDeclaration(target=z)

    def forward(self, ops: Any, target: Any) -> None:
        ops.subtract(self.z, target, out=self.dz)
        ops.square(self.dz, out=self.dz)
        ops.sum(self.dz, -1, out=self.losses)
        ops.subtract(self.z, target, out=self.dz)

    def backward(self, ops: Any) -> None:
        ops.multiply(self.dz, 2.0, out=self.dz)


class LossesByNumPy(Squared):
    def forward(self, ops: Any, target: Any) -> None:
        ops.subtract(self.z, target, out=self.dz)
        self.losses[...] = np.square(self.z - target).sum(-1)


class DerivativeByNumPy(Squared):
    def forward(self, ops: Any, target: Any) -> None:
        self.target = target
        ops.sum(self.z, -1, out=self.losses)

    def backward(self, ops: Any) -> None:
        self.dz[...] = 2 * (self.z - self.target)


X = np.random.default_rng(0).normal(size=(64, 3))


@pytest.mark.parametrize(("loss", "name"), [(LossesByNumPy, "losses"), (DerivativeByNumPy, "dz")])
@pytest.mark.parametrize("weight", [None, np.linspace(1, 2, 64)])
def test_losses_that_compute_once_are_refused(loss: Any, name: str, weight: Any) -> None:
    data = ms.Dataset.from_arrays(X, X @ [1.0, 2.0, 3.0], weight=weight)
    assert ms.train(ms.Network(ms.Linear(1)), data, loss=Squared(), epochs=1).steps
    with pytest.raises(ms.ArgumentError, match=f"{loss.__name__}: .* must be a method that writes {name} by"):
        ms.train(ms.Network(ms.Linear(1)), data, loss=loss(), epochs=1)


@dataclass
class Plain(ms.Optimizer):
    """w ← w − lr g, by NumPy."""

    def update(self, ops: Any, b: Any) -> None:
        b.w[...] -= b.lr * b.g


def test_optimizers_that_compute_once_are_refused() -> None:
    with pytest.raises(ms.ArgumentError, match="Plain: update must be a method that writes b.w by operations"):
        ms.train(ms.Network(ms.Linear(10)), DATA, optimizer=Plain(lr=0.1), epochs=1)
