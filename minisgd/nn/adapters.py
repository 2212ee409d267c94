"""Small parts to train around layers that do not: adapters and low-rank updates."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from minisgd.backend import Ops
from minisgd.checks import positive, require_kind, within
from minisgd.nn.declaration import Buffer, Declaration, Parameter
from minisgd.nn.freezing import NetworkT, chosen, exchange, frozen, leaves_of, with_tensors
from minisgd.nn.initializers import HeNormal, Zeros
from minisgd.nn.layer import Layer
from minisgd.nn.layers.gates import GELU
from minisgd.nn.layers.linear import Linear
from minisgd.nn.lending import without_lent
from minisgd.nn.sequential import Residual, Sequential
from minisgd.nn.shapes import rows, transpose
from minisgd.typing import Array, Shape


class LoRA(Layer):
    """Low-rank update of a dense layer: y = x W + b + s x A B, s = α / r, W and b frozen  (Hu et al. 2021, section 4).

    x (…, B, I)   W (…, I, O)   A (…, I, r)   B (…, r, O)   h = s x A (…, B, r)

    B begins at zero, so that training begins at the frozen layer. `Network.merged` adds s A B to W.

    Args:
        layer: The dense layer; the names of its weights stay.
        rank: r.
        alpha: α; r by default, so that s = 1.
        name: By default that of the dense layer.

    Raises:
        ArgumentError: If the rank is no positive integer, or α no positive number.
        DtypeError: If the layer is not dense.
    """

    W: Array
    b: Array
    A: Array
    B: Array
    dA: Array
    dB: Array
    h: Array
    dh: Array
    work: Array
    work_x: Array

    def __init__(self, layer: Linear, rank: int = 4, *, alpha: float | None = None, name: str | None = None) -> None:
        require_kind(layer, Linear, "LoRA: layer", "an ms.Linear", "wrap the dense layers inside a block one by one")
        super().__init__(layer.name if name is None else name)
        self.layer = without_lent(layer)
        self.rank = positive(rank, f"{self.label}: rank")
        self.alpha = None if alpha is None else within("(0, inf)", alpha, f"{self.label}: alpha", "16 is customary")

    @property
    def scale(self) -> float:
        """s = α / r."""
        return 1.0 if self.alpha is None else self.alpha / self.rank

    def declare(self, x: Shape) -> Declaration:
        dense: Declaration = self.layer.declare(x).without_learning()
        fan_in, r = x[-1], self.rank
        y, h = dense.y, (*x[:-1], r)
        return replace(
            dense,
            parameters={
                "A": Parameter((fan_in, r), HeNormal(), "weight", fan_in, r),
                "B": Parameter((r, y[-1]), Zeros(), "weight", r, y[-1]),
            },
            buffers={
                "h": Buffer(h),
                "dh": Buffer(h, life="scratch", inference=False),
                "work": Buffer(y, life="scratch"),
                "work_x": Buffer(x, life="scratch", inference=False),
            },
        )

    def forward(self, ops: Ops, x: Array) -> Array:
        x, y, h, work = (rows(a, self.lead) for a in (x, self.y, self.h, self.work))
        if self.layer.bias:
            ops.affine(x, self.W, self.b, out=y)
        else:
            ops.matmul(x, self.W, out=y)
        ops.matmul(x, self.A, out=h)
        ops.multiply(h, self.scale, out=h)
        ops.matmul(h, self.B, out=work)
        ops.add(y, work, out=y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dB = hᵀ dy    dh = s dy Bᵀ    dA = xᵀ dh    dx = dy Wᵀ + dh Aᵀ"""
        x, dy, h, dh = (rows(a, self.lead) for a in (self.x, dy, self.h, self.dh))
        ops.matmul(dy, transpose(self.B), out=dh)
        ops.multiply(dh, self.scale, out=dh)
        if self.learns:
            ops.matmul(transpose(h), dy, out=self.dB)
            ops.matmul(transpose(x), dh, out=self.dA)
        if self.dx is not None:
            dx, work = rows(self.dx, self.lead), rows(self.work_x, self.lead)
            ops.matmul(dy, transpose(self.W), out=dx)
            ops.matmul(dh, transpose(self.A), out=work)
            ops.add(dx, work, out=dx)
        return self.dx


class Adapter(Sequential):
    """Bottleneck after a frozen layer: u = f(x), y = u + GELU(u W₁ + b₁) W₂ + b₂  (Houlsby et al. 2019, section 2.1).

    u, y (…, B, O)   W₁ (…, O, m)   W₂ (…, m, O), which begins at zero, so that training begins at the frozen layer.

    Args:
        layer: The layer, whose output has a known width: `Linear`, `Conv2d`, `Attention`, `TransformerBlock`. The
            names of its weights stay.
        width: m.
        name: By default that of the layer.

    Raises:
        ArgumentError: If the width is no positive integer, or the layer none whose output has a known width.
    """

    def __init__(self, layer: Layer, width: int = 8, *, name: str | None = None) -> None:
        self.width = positive(width, "Adapter: width")
        outputs = getattr(layer, "features", getattr(layer, "channels", None))
        features = positive(outputs, "Adapter: layer's features")
        name = layer.name if name is None else name
        bottleneck = Residual(Linear(self.width), GELU(), Linear(features, init=Zeros()))
        super().__init__(_fixed(layer), bottleneck, name=name)

    @property
    def layer(self) -> Layer:
        """The layer that does not learn."""
        return self.layers[0]

    def path_of(self, path: str, position: int, layer: Layer) -> str:
        return f"{path}.adapter" if position else path


def _fixed(layer: Layer) -> Layer:
    """Return a frozen layer without a name of its own, as it goes by that of the adapter."""
    inner = frozen(layer)
    inner.name = None
    if isinstance(inner, Sequential):
        exchange(inner, {path for path, _ in leaves_of(inner)}, frozen)
    return inner


def adapt(network: NetworkT, names: str | Sequence[str], kind: Any, **options: Any) -> NetworkT:
    """Return a copy with its dense layers of these names inside adapters (see `Network.adapt`)."""
    paths, duplicate = chosen(network, names), network.copy()
    dense = {path for path, layer in leaves_of(network) if path in paths and isinstance(layer, Linear)}
    exchange(duplicate, dense, lambda layer: kind(layer, **options))
    return with_tensors(duplicate, network)


def merged(network: NetworkT) -> NetworkT:
    """Return a copy in which every LoRA is a dense layer of weights W + s A B (see `Network.merged`)."""
    low_rank = {path: layer for path, layer in leaves_of(network) if isinstance(layer, LoRA)}
    duplicate, tensors = network.copy(), network.to_numpy() if network.is_built else {}
    exchange(duplicate, set(low_rank), _dense)
    changed = {
        f"{path}.W": tensors[f"{path}.W"] + layer.scale * tensors[f"{path}.A"] @ tensors[f"{path}.B"]
        for path, layer in low_rank.items()
        if network.is_built
    }
    return with_tensors(duplicate, network, changed)


def _dense(layer: Any) -> Linear:
    dense: Linear = copy(layer.layer)
    dense.name = layer.name
    return dense
