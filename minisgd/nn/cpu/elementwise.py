"""Layers that compute every example apart: the textbook's methods, on a few images at a time."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from minisgd.backend import NumpyOps
from minisgd.backend.dispatch import tuned
from minisgd.nn.cpu.block_size import blocks
from minisgd.nn.layer import Layer
from minisgd.nn.layers.activations import LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from minisgd.nn.layers.gates import GELU, Hardswish, Mish, SiLU
from minisgd.nn.layers.pool import AvgPool2d, GlobalAvgPool2d
from minisgd.nn.layers.rectifiers import ELU, SELU
from minisgd.nn.layers.softmax import Softmax
from minisgd.typing import Array

RECTIFIERS = (ReLU, LeakyReLU, ELU, SELU, Softplus)
GATES = (GELU, SiLU, Mish, Hardswish)
KINDS: tuple[type[Layer], ...] = (*RECTIFIERS, *GATES, Sigmoid, Tanh, Softmax, AvgPool2d, GlobalAvgPool2d)
"""Layers all of whose arrays have the batch axis."""


def in_blocks(name: str, result: str) -> Callable[..., Any]:
    """Return the textbook's method of a name, run block by block where examples are images.

    result: the attribute with the array that it returns
    """

    def body(self: Layer, ops: NumpyOps, array: Array) -> Array | None:
        found: Array | None
        if self.x.ndim != len(self.lead) + 4:
            found = getattr(self, name)(ops, array)
            return found
        for some, _ in blocks(self, ops, self.x):
            getattr(_part(self, some), name)(ops, array[some])
        found = getattr(self, result)
        return found

    return body


for kind in KINDS:
    for name, result in (("forward", "y"), ("backward", "dx")):
        tuned("cpu", kind, name)(in_blocks(name, result))


def _part(layer: Layer, some: Any) -> Layer:
    """Return a layer for some of the examples, with views of its arrays.  some: an index (…, B)"""
    part = copy(layer)
    for name, value in vars(layer).items():
        if hasattr(value, "shape") and len(value.shape) > len(layer.lead):
            setattr(part, name, value[some])
    return part
