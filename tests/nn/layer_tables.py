"""The tables of layers, losses and initializers. A row here brings all the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.nn import (
    GELU,
    L1,
    AvgPool2d,
    BatchNorm,
    BinaryCrossEntropy,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Huber,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    Loss,
    MaxPool2d,
    MeanSquaredError,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SoftmaxCrossEntropy,
    Softplus,
    Tanh,
    init,
)
from minisgd.nn.losses.loss import TargetKind
from minisgd.typing import Shape


@dataclass(frozen=True)
class LayerRow:
    """How to make a layer for examples of a shape, and what it takes."""

    make: Callable[[Shape], Layer]
    features: bool = True
    images: bool = True
    least: int = 1
    """The smallest batch it trains on."""

    @property
    def kinds(self) -> list[str]:
        return [kind for kind in ("features", "images") if getattr(self, kind)]


ACTIVATIONS: dict[str, LayerRow] = {
    "ReLU": LayerRow(lambda shape: ReLU()),
    "LeakyReLU": LayerRow(lambda shape: LeakyReLU(0.2)),
    "GELU": LayerRow(lambda shape: GELU()),
    "Sigmoid": LayerRow(lambda shape: Sigmoid()),
    "Tanh": LayerRow(lambda shape: Tanh()),
    "Softplus": LayerRow(lambda shape: Softplus()),
}

LAYERS: dict[str, LayerRow] = ACTIVATIONS | {
    "Linear": LayerRow(lambda shape: Linear(3), images=False),
    "Linear one": LayerRow(lambda shape: Linear(1), images=False),
    "Linear without bias": LayerRow(lambda shape: Linear(4, bias=False), images=False),
    "Conv2d": LayerRow(lambda shape: Conv2d(2, 3, padding=1), features=False),
    "Conv2d stride": LayerRow(lambda shape: Conv2d(3, 2, stride=2, bias=False), features=False),
    "Conv2d rectangle": LayerRow(lambda shape: Conv2d(2, (1, 3), stride=(2, 1), padding=(1, 0)), features=False),
    "Conv2d 1x1": LayerRow(lambda shape: Conv2d(2, 1), features=False),
    "Conv2d wide border": LayerRow(lambda shape: Conv2d(1, 3, stride=3, padding=2), features=False),
    "MaxPool2d": LayerRow(lambda shape: MaxPool2d(2), features=False),
    "MaxPool2d overlap": LayerRow(lambda shape: MaxPool2d((3, 2), stride=1), features=False),
    "MaxPool2d gaps": LayerRow(lambda shape: MaxPool2d(1, stride=2), features=False),
    "AvgPool2d": LayerRow(lambda shape: AvgPool2d(2), features=False),
    "AvgPool2d overlap": LayerRow(lambda shape: AvgPool2d((2, 3), stride=(1, 2)), features=False),
    "GlobalAvgPool2d": LayerRow(lambda shape: GlobalAvgPool2d(), features=False),
    "Flatten": LayerRow(lambda shape: Flatten()),
    "BatchNorm": LayerRow(lambda shape: BatchNorm(momentum=0.3), least=2),
    "BatchNorm not affine": LayerRow(lambda shape: BatchNorm(affine=False, eps=1e-3), least=2),
    "BatchNorm ghost": LayerRow(lambda shape: BatchNorm(ghost=2), least=2),
    "LayerNorm": LayerRow(lambda shape: LayerNorm(eps=1e-4)),
    "Dropout": LayerRow(lambda shape: Dropout(0.4)),
    "Residual": LayerRow(lambda shape: Residual(Linear(shape[-1]), Tanh()), images=False),
    "Residual of Residual": LayerRow(lambda shape: Residual(Residual(Conv2d(shape[-1], 1)), Sigmoid()), features=False),
    "Sequential": LayerRow(lambda shape: Sequential(Linear(3), Sequential(Softplus(), Linear(2))), images=False),
}


def _classes(rng: np.random.Generator, z: Shape) -> Any:
    return rng.integers(0, z[-1], z[:-1])


def _probabilities(rng: np.random.Generator, z: Shape) -> Any:
    return rng.dirichlet(np.ones(z[-1]), z[:-1])


def _fractions(rng: np.random.Generator, z: Shape) -> Any:
    return rng.uniform(0, 1, z)


def _values(rng: np.random.Generator, z: Shape) -> Any:
    return rng.normal(0, 2, z)


@dataclass(frozen=True)
class LossRow:
    """How to make a loss, what kind of target it takes and how to draw one for predictions of a shape."""

    make: Callable[[], Loss]
    kind: TargetKind
    draw: Callable[[np.random.Generator, Shape], Any]


LOSSES: dict[str, LossRow] = {
    "SoftmaxCrossEntropy": LossRow(lambda: SoftmaxCrossEntropy(), "labels", _classes),
    "SoftmaxCrossEntropy smooth": LossRow(lambda: SoftmaxCrossEntropy(label_smoothing=0.1), "labels", _classes),
    "SoftmaxCrossEntropy soft": LossRow(lambda: SoftmaxCrossEntropy(), "values", _probabilities),
    "SoftmaxCrossEntropy soft, smooth": LossRow(
        lambda: SoftmaxCrossEntropy(label_smoothing=0.2), "values", _probabilities
    ),
    "BinaryCrossEntropy": LossRow(lambda: BinaryCrossEntropy(), "values", _fractions),
    "MeanSquaredError": LossRow(lambda: MeanSquaredError(), "values", _values),
    "L1": LossRow(lambda: L1(), "values", _values),
    "Huber": LossRow(lambda: Huber(delta=1.3), "values", _values),
}


INITIALIZERS: dict[str, init.Initializer] = {
    "Constant": init.Constant(0.3),
    "Zeros": init.Zeros(),
    "Ones": init.Ones(),
    "Normal": init.Normal(0.2),
    "HeNormal": init.HeNormal(),
    "HeUniform": init.HeUniform(),
    "XavierNormal": init.XavierNormal(gain=1.5),
    "XavierUniform": init.XavierUniform(),
    "FanInUniform": init.FanInUniform(),
}


def shape_of(kind: str, rng: np.random.Generator) -> Shape:
    """Draw the shape of one example: (F) or (H, W, C), large enough for every kernel in the table."""
    if kind == "features":
        return (int(rng.integers(1, 6)),)
    return (int(rng.integers(3, 5)), int(rng.integers(3, 6)), int(rng.integers(1, 3)))


CASES = [(name, kind) for name, row in LAYERS.items() for kind in row.kinds]
"""Every layer with every kind of input that it takes."""
