"""Elementwise nonlinearities: one launch forward, one backward."""

from __future__ import annotations

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.dispatch import tuned
from minisgd.nn.cuda.kernels.activation import Activation as Kernel
from minisgd.nn.cuda.replicas import stacked
from minisgd.nn.layers.activations import GELU, Activation, LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from minisgd.nn.shapes import reshaped
from minisgd.typing import Array

NAMES: dict[type, str] = {
    ReLU: "relu",
    LeakyReLU: "leaky_relu",
    Sigmoid: "sigmoid",
    Tanh: "tanh",
    Softplus: "softplus",
    GELU: "gelu",
}
"""What the kernels call them."""


def forward(self: Activation | GELU, ops: CupyVocabulary, x: Array) -> Array:
    """y = act(x)"""
    from_, to = _rows(self, x, self.y)
    ops.launch(_name(self), lambda: _kernel(self, ops).forward(from_, to), (x,), self.y)
    return self.y


def backward(self: Activation | GELU, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dx = dy act′"""
    if self.dx is None:
        return None
    at, slope, dx = _rows(self, self.x if isinstance(self, GELU) else self.y, dy, self.dx)
    ops.launch(_name(self), lambda: _kernel(self, ops).input_gradient(at, slope, dx), (at, dy), self.dx)
    return self.dx


for kind in NAMES:
    tuned("cuda", kind, "forward")(forward)
    tuned("cuda", kind, "backward")(backward)


def _name(layer: Activation | GELU) -> str:
    return NAMES[type(layer)]


def _kernel(layer: Activation | GELU, ops: CupyVocabulary) -> Kernel:
    slope = layer.negative_slope if isinstance(layer, LeakyReLU) else 0.0
    return Kernel(ops.kernels.library(layer.y.dtype), _name(layer), slope)


def _rows(layer: Activation | GELU, *arrays: Array) -> list[Array]:
    """Return arrays (…, B, *x) as (R, n), n the elements of a replica."""
    return [reshaped(a, (a.shape[0], -1)) for a in stacked(layer.lead, *arrays)]
