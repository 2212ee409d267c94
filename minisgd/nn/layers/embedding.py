"""Embeddings: a learned row for every token of a vocabulary, and for every position of a sequence."""

from __future__ import annotations

import numpy as np

from minisgd.backend import Ops
from minisgd.checks import positive, require_flag
from minisgd.errors import ArgumentError, DataError
from minisgd.nn.declaration import Buffer, Declaration, Parameter
from minisgd.nn.initializers import Initializer, Normal, require_rule
from minisgd.nn.layer import Layer
from minisgd.nn.layers.attention import HIDDEN
from minisgd.typing import Array, HostArray, Shape

LARGEST_VOCABULARY = 1 << 24
"""Tokens reach the layer as the network's floats: float32 holds the integers below 2²⁴ exactly."""


class Embedding(Layer):
    """Table look-up: y_t = W[x_t], which is W times the one-hot row of token x_t.

    x (…, B, T) tokens from 0 to V − 1, or with any other axes   W (…, V, D)   y (…, B, T, D)

    The gradient dW = Σ_t e(x_t)ᵀ dy_t has non-zero rows only where a token occurred, yet is kept whole: it is a part
    of the network's flat gradient, and momentum, Adam and weight decay move every row at every step. With ``sparse`` a
    step writes, and the optimizer moves, the rows of its tokens alone: what SGD and Adagrad do anyway; momentum and
    Adam's averages then decay only where a row's token occurs, as in PyTorch's SparseAdam. Other optimizers, weight
    decay, and batches in parts are refused.

    Args:
        vocabulary: V.
        features: D.
        init: Draws W; N(0, 0.02²) by default. PyTorch's is ``Normal(1.0)``.
        padding: The token that fills sequences up, from which layers with ``padding=True`` do not read.
        sparse: Whether training moves only the rows of a batch's tokens.
        name: Of the layer.

    Raises:
        ArgumentError: If vocabulary or features is no positive integer, the vocabulary too large, or the padding no
            token of it.
    """

    W: Array
    dW: Array
    tokens: Array
    index: Array
    hidden: Array
    cleared = False
    """Whether dW is zero before backward outside the rows of its tokens, as a sparse update leaves it."""

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        init: Initializer | None = None,
        padding: int | None = None,
        sparse: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.vocabulary = positive(vocabulary, f"{self.label}: vocabulary")
        self.features = positive(features, f"{self.label}: features")
        self.init = require_rule(init, f"{self.label}: init") or Normal(0.02)
        self.padding = padding
        self.sparse = require_flag(sparse, f"{self.label}: sparse")
        if padding is not None and (type(padding) is not int or not 0 <= padding < self.vocabulary):
            expected = f"a token from 0 to {self.vocabulary - 1}"
            raise ArgumentError(f"{self.label}: padding", expected=expected, got=padding, fix="0 is customary")
        if self.vocabulary > LARGEST_VOCABULARY:
            expected, fix = f"at most {LARGEST_VOCABULARY}, which float32 can count", "join rare tokens into one"
            raise ArgumentError(f"{self.label}: vocabulary", expected=expected, got=vocabulary, fix=fix)

    def declare(self, x: Shape) -> Declaration:
        V, D = self.vocabulary, self.features
        return Declaration(
            y=(*x, D),
            parameters={"W": Parameter((V, D), self.init, "weight", 1, D, rows="index" if self.sparse else None)},
            buffers={"tokens": Buffer(x, life="scratch"), "index": Buffer(x, dtype="int64")}
            | ({} if self.padding is None else {"hidden": Buffer(x, life="network")}),
        )

    def forward(self, ops: Ops, x: Array) -> Array:
        ops.maximum(x, 0.0, out=self.tokens)
        ops.minimum(self.tokens, self.vocabulary - 1, out=self.tokens)
        ops.copy(self.tokens, out=self.index)
        if self.padding is not None:
            ops.equal(self.tokens, float(self.padding), out=self.hidden)
            ops.multiply(self.hidden, HIDDEN, out=self.hidden)
        for r in np.ndindex(self.lead):
            ops.take(self.W[r], self.index[r], out=self.y[r])
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dW[v] = Σ_{t: x_t = v} dy_t    dx = 0: a token is no quantity"""
        for r in np.ndindex(self.lead if self.learns else (0,)):
            some = dy[r].reshape(-1, self.features), self.index[r].reshape(-1)
            ops.add_rows(*some, out=self.dW[r], cleared=self.cleared)
        if self.dx is not None:
            ops.fill(0.0, out=self.dx)
        return self.dx

    def check_input(self, x: HostArray, scale: float) -> None:
        if scale != 1:
            raise DataError(
                f"{self.label}: tokens",
                expected="read as they are",
                got=f"bytes that are multiplied by {scale:.3g}",
                fix="pass x.astype(np.int64), or Dataset.from_arrays(…, scale=1.0)",
            )
        low, high = x.min(), x.max()
        if low < 0 or high >= self.vocabulary or not np.array_equal(x, np.round(x)):
            expected = f"integers from 0 to {self.vocabulary - 1}"
            fix = f"number the tokens from 0, or make the vocabulary {int(high) + 1}"
            raise DataError(f"{self.label}: tokens", expected=expected, got=f"values from {low:g} to {high:g}", fix=fix)


class PositionalEmbedding(Layer):
    """A learned row for every position: y_t = x_t + P_t  (Vaswani et al. 2017, section 3.5, the learned form).

    x, y (…, B, T, D)   P (…, T, D);  T is learnt from the data, and other lengths are refused.

    Args:
        init: Draws P; N(0, 0.02²) by default.
        name: Of the layer.
    """

    P: Array
    dP: Array

    def __init__(self, *, init: Initializer | None = None, name: str | None = None) -> None:
        super().__init__(name)
        self.init = require_rule(init, f"{self.label}: init") or Normal(0.02)

    def declare(self, x: Shape) -> Declaration:
        self.require_rank(x, 3, "sequences (B, T, D)", "put it after ms.Embedding or ms.Linear on sequences")
        return Declaration(y=x, parameters={"P": Parameter(x[1:], self.init)}, y_over_x=True, dx_over_dy=True)

    def forward(self, ops: Ops, x: Array) -> Array:
        ops.add(x, self.P[..., None, :, :], out=self.y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dP = Σ_B dy    dx = dy"""
        if self.learns:
            ops.sum(dy, -3, out=self.dP)
        if self.dx is not None and ops.address(self.dx) != ops.address(dy):
            ops.copy(dy, out=self.dx)
        return self.dx
