"""Dropout: one launch forward, one backward, which draws the mask again instead of reading it."""

from __future__ import annotations

import numpy as np

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.cuda.kernels.dropout import Dropout as Kernel
from minisgd.backend.dispatch import tuned
from minisgd.nn.cuda.replicas import dense
from minisgd.nn.layers.dropout import Dropout
from minisgd.typing import Array


@tuned("cuda", Dropout, "forward")
def forward(self: Dropout, ops: CupyVocabulary, x: Array) -> Array:
    """y = x m / (1 − p)"""
    _drop(self, ops, x, self.y)
    return self.y


@tuned("cuda", Dropout, "backward")
def backward(self: Dropout, ops: CupyVocabulary, dy: Array) -> Array | None:
    """dx = dy m / (1 − p): the clock has not moved, so the mask is the same"""
    if self.dx is not None:
        _drop(self, ops, dy, self.dx)
    return self.dx


def _drop(layer: Dropout, ops: CupyVocabulary, x: Array, y: Array) -> None:
    kernel, seeds = ops.family(Kernel, x.dtype), ops.from_host(np.asarray(layer.seeds, np.uint64))
    keys = seeds if layer.lead else seeds[0]

    def emit() -> None:
        for a, b, key in dense(layer.lead, x, y, keys):
            kernel(a, b, key, layer.clock, layer.stream, p=layer.p)

    ops.launch("dropout", emit, (x, layer.clock), y)
