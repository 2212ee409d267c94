"""The vocabulary: every array operation that layers, losses and optimizers may use.

The base class is the plain-array version, written against a module ``xp`` that is NumPy or CuPy. A device
overrides an operation where it has something better; the signature never changes. Every operation writes
to ``out`` and returns nothing, so a program of them allocates nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import setitem
from typing import Any, TypeAlias

import numpy as np

from minisgd.backend.batch_transfer import BatchTransfer
from minisgd.backend.device import Device
from minisgd.typing import Array, Shape

Operand: TypeAlias = Array | float
"""An array, or a number that becomes a 0-d constant of the result's dtype."""

_OUT_BY_NAME = {"maximum", "minimum"}
"""NumPy deprecates a positional output for these; for the others it is the faster way to pass it."""


class Ops(Device):
    """The vocabulary of array operations on one device."""

    # ---------------------------------------------------------------- constants and views

    def constant(self, value: float, dtype: Any) -> Array:
        """Return a cached 0-d array: faster than a Python number and it never promotes the result."""
        key = (float(value), np.dtype(dtype).str)
        if key not in self._constants:
            self._constants[key] = self.xp.asarray(value, dtype=dtype)
        return self._constants[key]

    def ones(self, n: int, dtype: Any) -> Array:
        """Return a cached row of ones, (1, n)."""
        key = (n, np.dtype(dtype).str)
        if key not in self._rows:
            self._rows[key] = self.xp.ones((1, n), dtype)
        return self._rows[key]

    def arange(self, n: int) -> Array:
        """Return the integers 0 … n − 1, (n,) int64, cached."""
        key = (n, "arange")
        if key not in self._rows:
            self._rows[key] = self.xp.arange(n)
        return self._rows[key]

    def broadcast(self, array: Array, shape: Shape) -> Array:
        """Return a view of the array repeated to the shape, without copying."""
        view: Array = self.xp.broadcast_to(array, shape)
        return view

    def windows(self, x: Array, kernel: tuple[int, int], stride: tuple[int, int]) -> Array:
        """Return a view of the sliding windows of images.

        x (…, H, W, C)   result (…, OH, OW, KH, KW, C), OH = (H − KH) / SH + 1.
        """
        *lead, h, w, c = x.shape
        *lead_strides, sh, sw, sc = x.strides
        oh, ow = (h - kernel[0]) // stride[0] + 1, (w - kernel[1]) // stride[1] + 1
        view: Array = self.xp.lib.stride_tricks.as_strided(
            x, (*lead, oh, ow, *kernel, c), (*lead_strides, sh * stride[0], sw * stride[1], sh, sw, sc)
        )
        return view

    def batch_transfer(self, slots: tuple[Array, Array]) -> BatchTransfer:
        """Return a way for batches whose data set stays on the host, through two arrays of the device."""
        return BatchTransfer(self, slots)

    # ---------------------------------------------------------------- elementwise

    def elementwise(self, op: str, *operands: Operand, out: Array) -> None:
        """out = op(operands), element by element; numbers become constants of the result's dtype."""
        dtype = self.xp.result_type(*[a for a in operands if not isinstance(a, float | int)])
        arrays = tuple(self.constant(a, dtype) if isinstance(a, float | int) else a for a in operands)
        function = getattr(self.xp, op)
        if op in _OUT_BY_NAME:
            self.run(op, partial(function, out=out), arrays, arrays, out)
        else:
            self.run(op, function, (*arrays, out), arrays, out)

    def add(self, a: Operand, b: Operand, *, out: Array) -> None:
        """out = a + b"""
        self.elementwise("add", a, b, out=out)

    def subtract(self, a: Operand, b: Operand, *, out: Array) -> None:
        """out = a − b"""
        self.elementwise("subtract", a, b, out=out)

    def multiply(self, a: Operand, b: Operand, *, out: Array) -> None:
        """out = a · b"""
        self.elementwise("multiply", a, b, out=out)

    def rescale(self, a: Array, factor: float, *, out: Array) -> None:
        """out = factor · a, computed in the dtype of out: bytes become floats"""
        constant = self.constant(factor, out.dtype)
        self.run("multiply", self.xp.multiply, (a, constant, out), (a, constant), out)

    def divide(self, a: Operand, b: Operand, *, out: Array) -> None:
        """out = a / b"""
        self.elementwise("divide", a, b, out=out)

    def power(self, a: Operand, b: Operand, *, out: Array) -> None:
        """out = a ^ b"""
        self.elementwise("power", a, b, out=out)

    def maximum(self, a: Operand, b: Operand, *, out: Array) -> None:
        """out = max(a, b); NaN wins."""
        self.elementwise("maximum", a, b, out=out)

    def minimum(self, a: Operand, b: Operand, *, out: Array) -> None:
        """out = min(a, b); NaN wins."""
        self.elementwise("minimum", a, b, out=out)

    def greater(self, a: Operand, b: Operand, *, out: Array) -> None:
        """out = 1 where a > b, else 0"""
        self.elementwise("greater", a, b, out=out)

    def greater_equal(self, a: Operand, b: Operand, *, out: Array) -> None:
        """out = 1 where a ≥ b, else 0"""
        self.elementwise("greater_equal", a, b, out=out)

    def equal(self, a: Operand, b: Operand, *, out: Array) -> None:
        """out = 1 where a = b, else 0"""
        self.elementwise("equal", a, b, out=out)

    def negative(self, a: Array, *, out: Array) -> None:
        """out = −a"""
        self.elementwise("negative", a, out=out)

    def absolute(self, a: Array, *, out: Array) -> None:
        """out = |a|"""
        self.elementwise("absolute", a, out=out)

    def sign(self, a: Array, *, out: Array) -> None:
        """out = sign(a), 0 at 0"""
        self.elementwise("sign", a, out=out)

    def square(self, a: Array, *, out: Array) -> None:
        """out = a²"""
        self.elementwise("square", a, out=out)

    def sqrt(self, a: Array, *, out: Array) -> None:
        """out = √a"""
        self.elementwise("sqrt", a, out=out)

    def exp(self, a: Array, *, out: Array) -> None:
        """out = eᵃ"""
        self.elementwise("exp", a, out=out)

    def expm1(self, a: Array, *, out: Array) -> None:
        """out = eᵃ − 1, accurate near 0"""
        self.elementwise("expm1", a, out=out)

    def log(self, a: Array, *, out: Array) -> None:
        """out = ln a"""
        self.elementwise("log", a, out=out)

    def log1p(self, a: Array, *, out: Array) -> None:
        """out = ln(1 + a)"""
        self.elementwise("log1p", a, out=out)

    def tanh(self, a: Array, *, out: Array) -> None:
        """out = tanh a"""
        self.elementwise("tanh", a, out=out)

    def erf(self, a: Array, *, out: Array) -> None:
        """out = erf a = 2/√π ∫₀ᵃ e^(−t²) dt, within a few units in the last place of 1."""
        raise NotImplementedError

    def copy(self, a: Array, *, out: Array) -> None:
        """out = a, converted to the dtype of out and broadcast to its shape"""
        self.run("copy", self.xp.copyto, (out, a, "unsafe"), (a,), out)

    def fill(self, value: float, *, out: Array) -> None:
        """out = value everywhere"""
        constant = self.constant(value, out.dtype)
        self.run("copy", self.xp.copyto, (out, constant), (constant,), out)

    # ---------------------------------------------------------------- reductions

    def sum(self, a: Array, axis: int | tuple[int, ...], *, out: Array, keepdims: bool = False) -> None:
        """out = Σ a over the axes"""
        self.run("sum", self.xp.add.reduce, (a, axis, None, out, keepdims), (a,), out)

    def max(self, a: Array, axis: int, *, out: Array, keepdims: bool = False) -> None:
        """out = max a over the axis"""
        self.run("max", self.xp.maximum.reduce, (a, axis, None, out, keepdims), (a,), out)

    def argmax(self, a: Array, axis: int, *, out: Array) -> None:
        """out = index of the first largest element along the axis"""
        self.run("argmax", self.xp.argmax, (a, axis, out), (a,), out)

    def sum_batch(self, a: Array, *, out: Array) -> None:
        """Sum over the batch.  a (…, B, O)   out (…, 1, O) = Σ_B a

        As a product with a row of ones: the reduction loop of a narrow array would cost more.
        """
        ones = self.ones(a.shape[-2], a.dtype)
        self.run("sum", self.xp.matmul, (ones, a, out), (a,), out)

    def dot(self, a: Array, b: Array, *, out: Array) -> None:
        """Inner product along the last axis.  a, b (…, P)   out (…) = Σ_P a b"""
        self.run("dot", self.xp.vecdot, (a, b, out), (a, b), out)

    # ---------------------------------------------------------------- matrices

    def matmul(self, a: Array, b: Array, *, out: Array) -> None:
        """Matrix product over leading replica axes.  a (…, M, K)   b (…, K, N)   out (…, M, N)"""
        self.run("matmul", self.xp.matmul, (a, b, out), (a, b), out)

    def affine(self, x: Array, W: Array, b: Array, *, out: Array) -> None:
        """Dense map with bias.  x (…, B, I)   W (…, I, O)   b (…, 1, O)   out (…, B, O) = x W + b"""
        self.matmul(x, W, out=out)
        self.add(out, b, out=out)

    # ---------------------------------------------------------------- selection and randomness

    def take(self, a: Array, index: Array, *, out: Array) -> None:
        """Gather rows.  a (N, …)   index (…R, B) within range   out (…R, B, …) = a[index]"""
        self.run("take", self.xp.take, (a, index, 0, out), (a, index), out)

    def take_rescaled(self, a: Array, index: Array, factor: float, *, work: Array, out: Array) -> None:
        """Gather rows as floats: out = factor · a[index].  work like out, of the dtype of a: the rows as they are"""
        self.take(a, index, out=work)
        self.rescale(work, factor, out=out)

    def take_next(self, step: Array, real: tuple[Array, Array], index: tuple[Array, Array] | None = None) -> None:
        """Take the next row of tables: row = table[step] for each (table, row), and step ← step + 1.

        step (1,) int64   real, index: table (K, …) and row (…), of floats and of int64
        """
        for table, row in (real, index) if index else (real,):
            self.take(table, step, out=row[None])
        self.add(step, 1, out=step)

    def add_rows(self, a: Array, index: Array, *, out: Array, cleared: bool = False) -> None:
        """Scatter rows, the transpose of take.  a (N, D)   index (N) within range   out (V, D) = Σ_{n: index_n = v} a_n

        As a product with one-hot rows, whose sums have one order on every device.
        cleared: whether all other rows of out are zero already, so that they need not be written
        """
        chosen = self.empty((out.shape[0], index.shape[0]), a.dtype)
        self.one_hot(index, out=chosen)
        self.matmul(chosen, a, out=out)

    def put_rows(self, a: Array, index: Array, *, out: Array) -> None:
        """Copy rows back to where take found them.  a (N, D)   index (N) within range   out (V, D), out[index_n] = a_n

        Rows with the same index must be the same. All other rows of out stay as they are.
        """
        self.run("put_rows", setitem, (out, index, a), (a, index, out), out)

    def one_hot(self, labels: Array, *, out: Array) -> None:
        """Mark the class of every example.  labels (…, B) in 0 … C − 1   out (…, C, B) = [labels = c]"""
        classes = self.arange(out.shape[-2])[:, None]
        self.run("one_hot", self.xp.equal, (labels[..., None, :], classes, out), (labels,), out)

    def uniform(self, seeds: Sequence[int], clock: Array, stream: int, *, out: Array) -> None:
        """Fill with uniform numbers in [0, 1), a pure function of (seed, clock, stream, position).

        seeds: one per replica, in the order of the leading axis of out   clock () int64, read at replay
        stream: one number per user, so that two layers draw different numbers   out (R, …) or (…)

        Counter-based: Philox4x64-10 with key (seed, stream) and counter (0, 0, 0, clock) (Salmon et al.
        2011), so no state is kept between steps and a resumed run draws the same numbers.
        """
        raise NotImplementedError
