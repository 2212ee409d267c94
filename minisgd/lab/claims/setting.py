"""What is trained: the reader's network on the reader's data, or a stated departure from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from minisgd.data import Dataset
from minisgd.errors import ShapeError
from minisgd.lab.claims.experiment import Unsuitable
from minisgd.nn import BatchNorm, Conv2d, Layer, Linear, Network
from minisgd.nn.models import model
from minisgd.nn.sequential import clone
from minisgd.optim import SGD, Adam, AdamW, Lion, Muon, Optimizer


def _adam(decay: float, betas: tuple[float, float] = (0.9, 0.999)) -> Optimizer:
    return AdamW(lr=1e-3, betas=betas, weight_decay=decay) if decay else Adam(lr=1e-3, betas=betas)


OPTIMIZERS: dict[str, Callable[[float], Optimizer]] = {
    "sgd": lambda decay: SGD(lr=0.1, weight_decay=decay),
    "momentum": lambda decay: SGD(lr=0.1, momentum=0.9, weight_decay=decay),
    "adam": _adam,
    "lion": lambda decay: Lion(lr=1e-4, weight_decay=decay),
    "muon": lambda decay: Muon(lr=1e-3, weight_decay=decay),
    "adam-0.99": lambda decay: _adam(decay, (0.9, 0.99)),
    "adam-0.9999": lambda decay: _adam(decay, (0.9, 0.9999)),
    "adam-near": lambda decay: _adam(decay, (0.99, 0.999)),
}
"""An optimizer by name and weight decay; its learning rate is what experiments choose."""


@dataclass(frozen=True)
class Setting:
    """What is trained, as a departure from what the reader gave.

    optimizer: one of OPTIMIZERS; plain SGD is what the articles speak of
    share: of the training examples, class shares kept   flipped: share of the training labels that are made wrong
    width: factor on the hidden layers   norm: "none", "batch" or "ghost:16" instead of the network's own
    model: "cnn", the project's network for images, instead of the reader's
    most: training examples at most, class shares kept
    by_label: training examples sorted by their labels, for training runs that take them in order
    """

    optimizer: str = "sgd"
    weight_decay: float = 0.0
    share: float = 1.0
    flipped: float = 0.0
    width: float = 1.0
    norm: str | None = None
    model: str | None = None
    most: int | None = None
    by_label: bool = False

    @property
    def name(self) -> str:
        """Name the setting by what departs: adam, sgd-share-0.5."""
        parts = [self.optimizer]
        for field, given in (("weight_decay", 0.0), ("share", 1.0), ("flipped", 0.0), ("width", 1.0)):
            value = getattr(self, field)
            if value != given:
                parts.append(f"{field.replace('_', '-')}-{value:g}")
        parts += [f"norm-{self.norm.replace(':', '-')}"] if self.norm else []
        parts += [self.model] if self.model else []
        parts += [f"most-{self.most}"] if self.most else []
        parts += ["by-label"] if self.by_label else []
        return "-".join(parts)

    @property
    def problem(self) -> Setting:
        """The same data and network under plain SGD: what has a target of its own."""
        return replace(self, optimizer="sgd", weight_decay=0.0)

    def network(self, network: Network, data: Dataset) -> Network:
        """Return the network of this setting, without weights."""
        if self.model is not None:
            network = _model(self.model, data)
        layers = _plain_layers(network) if self.width != 1 or self.norm is not None else list(network.layers)
        if self.width != 1:
            layers = _widened(layers, self.width)
        if self.norm is not None:
            layers = _normalised(layers, self.norm)
        return Network(*(clone(layer) for layer in layers))

    def data(self, data: Dataset, seed: int) -> Dataset:
        """Return the data of this setting; validation examples are never touched."""
        if self.share < 1:
            n = round(self.share * len(data))
            if n < 2 * max(data.n_classes, 1):
                raise Unsuitable(f"a share of {self.share:g} of {len(data)} examples is too few")
            data = data.subset(n, seed)
        if self.most is not None and self.most < len(data):
            data = data.subset(self.most, seed)
        data = _flipped(data, self.flipped, seed) if self.flipped else data
        return _sorted(data) if self.by_label else data


PLAIN = Setting()
"""What the reader gave, trained by plain SGD."""


def _model(name: str, data: Dataset) -> Network:
    try:
        return model(name, data.input_shape, data.n_outputs)
    except ShapeError as reason:
        raise Unsuitable("these data are no images, and a CNN reads images") from reason


def _flipped(data: Dataset, share: float, seed: int) -> Dataset:
    """Return a share of the training labels another class, drawn evenly from the others."""
    if data.task != "classification" or data.train.y.ndim != 1:
        raise Unsuitable("only class labels can be flipped")
    rng = np.random.default_rng([seed, 0xF11])
    y, c = data.train.y.copy(), data.n_classes
    rows = rng.choice(len(y), round(share * len(y)), replace=False)
    y[rows] = (y[rows] + rng.integers(1, c, len(rows))) % c
    return replace(data, train=replace(data.train, y=y))


def _sorted(data: Dataset) -> Dataset:
    """Sort the training examples by class, or by the first of the values to predict."""
    y = data.train.y
    keys = y if y.ndim == 1 else y.argmax(axis=1) if data.n_classes else y[:, 0]
    return replace(data, train=data.train.take(np.argsort(keys, kind="stable")))


def _plain_layers(network: Network) -> list[Layer]:
    """Return the layers of a plain chain.

    Raises:
        Unsuitable: Some layers contain others.
    """
    if any(hasattr(layer, "layers") for layer in network.layers):
        raise Unsuitable("only a plain chain of layers can be widened or normalised, and this model has nested ones")
    return list(network.layers)


def _widened(layers: list[Layer], factor: float) -> list[Layer]:
    wide = [k for k, layer in enumerate(layers) if isinstance(layer, Linear | Conv2d)]
    if len(wide) < 2:
        raise Unsuitable("a model without hidden layers has no width")
    return [_wider(layer, factor) if k in wide[:-1] else layer for k, layer in enumerate(layers)]


def _wider(layer: Layer, factor: float) -> Layer:
    duplicate: Layer = clone(layer)
    field = "features" if isinstance(layer, Linear) else "channels"
    setattr(duplicate, field, max(1, round(factor * getattr(layer, field))))
    return duplicate


def _normalised(layers: list[Layer], norm: str) -> list[Layer]:
    """Take normalisation out, then put it behind every hidden dense or convolutional layer."""
    bare = [layer for layer in layers if not isinstance(layer, BatchNorm)]
    if norm == "none":
        return bare
    wide = [k for k, layer in enumerate(bare) if isinstance(layer, Linear | Conv2d)]
    if len(wide) < 2:
        raise Unsuitable("a model without hidden layers has nothing to normalise")
    ghost = int(norm.removeprefix("ghost:")) if norm.startswith("ghost:") else None
    out: list[Layer] = []
    for k, layer in enumerate(bare):
        out.append(layer)
        if k in wide[:-1]:
            out.append(BatchNorm(ghost=ghost))
    return out
