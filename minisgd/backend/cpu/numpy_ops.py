"""The CPU: NumPy, with the calls chosen that NumPy executes fastest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from minisgd.backend.cpu.contiguous import as_runs
from minisgd.backend.cpu.erf import erf_into
from minisgd.backend.cpu.executor import program_type
from minisgd.backend.cpu.loop_fusion import block_order
from minisgd.backend.cpu.loop_unrolling import append_translates
from minisgd.backend.cpu.products import multiply_padded, multiply_pieces, piece_shape
from minisgd.backend.cpu.rowwise import Repeats, Widened, repeat_and_compute, widened
from minisgd.backend.cpu.scatter import add_rows_into, element_numbers
from minisgd.backend.ops import Operand, Ops
from minisgd.backend.program import Program
from minisgd.typing import Array, Shape

ALIGNMENT = 64
"""Bytes: one cache line, and the width of an AVX-512 register."""


class NumpyOps(Ops):
    """Array operations in host memory."""

    device = "cpu"
    waits = True

    def __init__(self) -> None:
        super().__init__(np)
        self._program_type = program_type()
        self.repeats_programs = self._program_type.executor == "native"

    def _begin(self) -> None:
        super()._begin()
        self._repeats = Repeats()
        self._loops = 0

    def empty(self, shape: Shape, dtype: Any) -> Array:
        return self._aligned(shape, dtype, np.empty)

    def zeros(self, shape: Shape, dtype: Any) -> Array:
        return self._aligned(shape, dtype, np.zeros)

    def _aligned(self, shape: Shape, dtype: Any, allocate: Any) -> Array:
        nbytes = prod(shape) * np.dtype(dtype).itemsize
        raw = allocate(nbytes + ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        array: Array = raw[start : start + nbytes].view(dtype).reshape(shape)
        return array

    def new_program(self) -> Program:
        return self._program_type()

    def arrange(self, program: Program) -> None:
        program.arrange(block_order(program.calls))

    def blocks(self, count: int, size: int) -> Iterator[slice]:
        """Yield 0 … count in slices of a size. What is recorded meanwhile is a loop, which may be joined with others.

        From the second on, what is done with a slice must depend on it alone: of a long loop only the first three
        slices are yielded while recording, and the last one if it is shorter.

        count: of examples   size: of a block; the last one is shorter
        """
        self._loops += 1
        program, slices = self._program, [slice(k, min(k + size, count)) for k in range(0, count, size)]
        k, begins = 0, []
        try:
            while k < len(slices):
                self._block = (self._loops, k)
                begins.append(0 if program is None else len(program))
                yield slices[k]
                k += 1
                if k == 3 and program is not None:
                    k += append_translates(program, begins, count // size - k)
        finally:
            self._block = None

    def elementwise(self, op: str, *operands: Operand, out: Array) -> None:
        wide = widened(operands, out)
        if wide is None:
            numbers = operands if out.size == 1 else map(_as_number, operands)
            super().elementwise(op, *numbers, out=out)
        else:
            self._rowwise(op, wide, operands, out)

    def _rowwise(self, op: str, wide: Widened, operands: tuple[Any, ...], out: Array) -> None:
        function = getattr(np, op)
        repeated = None if self._block is None else self._repeats.find(self._block[0], wide)
        if repeated is None:
            self.run(op, repeat_and_compute, (wide.repeat(), function, wide.operands, wide.out), operands, out)
        else:
            self.run(op, partial(function, out=wide.out), wide.reading(repeated), operands, out)

    def run(
        self, op: str, function: Callable[..., Any], args: tuple[Any, ...], reads: tuple[Any, ...], out: Array
    ) -> None:
        self._repeats.forget(out)
        super().run(op, function, args, reads, out)

    def matmul(self, a: Array, b: Array, *, out: Array) -> None:
        if a.shape[-1] == 1:
            self._outer(a, b, out)
            return
        rows, columns = piece_shape(a, b, out)
        if rows >= out.shape[-2] and columns >= out.shape[-1]:
            super().matmul(a, b, out=out)
        else:  # cut as it is translated: hundreds of pieces need not be kept
            self.run("matmul", multiply_pieces, (a, b, out), (a, b), out)

    def _outer(self, a: Array, b: Array, out: Array) -> None:
        """out = a b for an inner dimension of one.  a (…, M, 1)   b (…, 1, N)   out (…, M, N)

        NumPy hands no such product to the BLAS. With the inner dimension padded to two by zeros it does, three
        times faster than multiplying elementwise: so the batch of one example becomes a batch of two.
        """
        tall, wide = np.zeros((*a.shape[:-1], 2), a.dtype), np.zeros((*b.shape[:-2], 2, b.shape[-1]), b.dtype)
        self.run("matmul", multiply_padded, (a, b, tall, wide, out), (a, b), out)

    def sum_batch(self, a: Array, *, out: Array) -> None:
        if a.shape[-2] == 1:
            self.copy(a, out=out)
        else:
            super().sum_batch(a, out=out)

    def one_hot(self, labels: Array, *, out: Array) -> None:
        if labels.ndim > 1:
            super().one_hot(labels, out=out)
        else:
            identity = np.eye(out.shape[0], dtype=out.dtype)
            self.run("one_hot", identity.take, (labels, 1, out, "clip"), (labels,), out)

    def take(self, a: Array, index: Array, *, out: Array) -> None:
        # the default mode copies the result once more so as to be safe against bad indices;
        # ours come from the sampler, and "clip" writes straight to out
        reads = (a, index) if isinstance(a, np.ndarray) else (index,)  # sparse rows lie nowhere
        self.run("take", a.take, (index, 0, out, "clip"), reads, out)

    def add_rows(self, a: Array, index: Array, *, out: Array, cleared: bool = False) -> None:
        reads = (a, index, out) if cleared else (a, index)
        self.run("add_rows", add_rows_into, (a, index, *element_numbers(a), out, cleared), reads, out)

    def copy(self, a: Array, *, out: Array) -> None:
        runs = as_runs(a, out)
        if runs is None:
            super().copy(a, out=out)
        else:
            self.run("copy", np.copyto, (runs[1], runs[0]), (a,), out)

    def erf(self, a: Array, *, out: Array) -> None:
        self.run("erf", erf_into, (a, out), (a,), out)

    def uniform(self, seeds: Sequence[int], clock: Array, stream: int, *, out: Array) -> None:
        rows = out.reshape(len(seeds), -1)
        self.run("uniform", _philox, (tuple(seeds), clock, stream, rows), (clock,), out)


def _as_number(operand: Operand) -> Operand:
    """Return an array of one number as a 0-d view: NumPy repeats that in half the time."""
    return operand.reshape(()) if isinstance(operand, np.ndarray) and operand.size == 1 else operand


def _philox(seeds: tuple[int, ...], clock: Array, stream: int, rows: Array) -> None:
    time = int(clock)
    for seed, row in zip(seeds, rows, strict=True):
        bits = np.random.Philox(key=np.array([seed, stream], np.uint64), counter=[0, 0, 0, time])
        np.random.Generator(bits).random(dtype=row.dtype, out=row)
