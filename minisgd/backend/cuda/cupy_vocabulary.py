"""The operations on the GPU: our kernels where there is one, plain CuPy for the rest.

Either way an operation ends as launches that a CUDA graph can hold. The exception is a product so large that
cuBLAS multiplies it, see `products`: such a call has a reason in the attribute ``uncapturable`` of its
function. A fallback computes in the dtype of its operands and never narrows the result in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minisgd.backend.cuda.device_kernels import CudaKernels
from minisgd.backend.cuda.kernels.affine import Affine
from minisgd.backend.cuda.kernels.dropout import Dropout
from minisgd.backend.cuda.kernels.fold import Fold
from minisgd.backend.cuda.kernels.gather import Gather
from minisgd.backend.cuda.kernels.next_rows import NextRows
from minisgd.backend.cuda.kernels.scatter import Scatter
from minisgd.backend.cuda.launcher import Launch, launch_all
from minisgd.backend.cuda.products import ByCublas, chosen, multiply, pairs, without_copies
from minisgd.backend.cuda.stream import Fork
from minisgd.backend.cuda.views import columns, contiguous, stacks
from minisgd.backend.ops import Operand, Ops
from minisgd.errors import DtypeError
from minisgd.typing import Array

NUMBERED = 2**31
"""Elements that kernels for whole layers can number: in 32 bits, which they divide far faster than 64."""


class CupyVocabulary(Ops):
    """The vocabulary of arrays on a CUDA device.

    precision: "full" multiplies in the dtype of the matrices; "tf32" lets cuBLAS round the elements of float32
    matrices to 10 bits of mantissa where it multiplies (large products; our kernels never do).
    """

    fork: Fork
    """The stream beside that of the device."""
    row_bytes = 128  # a line of the cache: loads of 16 bytes stay possible in every replica

    def __init__(self, cupy: Any, precision: str = "full") -> None:
        super().__init__(cupy)
        self.precision = precision
        self.kernels = CudaKernels(cupy, self.zeros)
        self._families: dict[tuple[type, str], Any] = {}

    def family(self, kind: Callable[..., Any], dtype: Any, *arguments: Any) -> Any:
        """Return a family of kernels for a dtype, made once."""
        key = (kind, np.dtype(dtype).name)
        if key not in self._families:
            self._families[key] = kind(self.kernels.library(dtype), *arguments)  # type: ignore[index]
        return self._families[key]  # type: ignore[index]

    def launch(
        self,
        op: str,
        emit: Callable[[], object],
        reads: tuple[Any, ...],
        out: Array,
        by: Callable[[Sequence[Launch]], None] = launch_all,
    ) -> None:
        """Run or record the launches that emit() makes, as one call.  by: who launches them, `Fork` for instance"""
        with self.kernels.prepare() as launches:
            emit()
        self.run(op, by, (tuple(launches),), reads, out)

    def fits(self, part: object) -> bool:
        longest: int = max(getattr(getattr(part, operand, None), "size", 0) for operand in ("x", "y"))
        return longest < NUMBERED

    # ---------------------------------------------------------------- elementwise

    def elementwise(self, op: str, *operands: Operand, out: Array) -> None:
        operands = tuple(self.operand(a, out) for a in operands)
        self._refuse_narrowing(op, [a for a in operands if not isinstance(a, float | int)], out)
        self.run(op, getattr(self.xp, op), (*operands, out), operands, out)

    def operand(self, a: Operand, out: Array) -> Any:
        """Return a number without a width of its own, and out itself for another view of the very same elements.

        CuPy copies an operand that shares memory with the result, unless it is the same object.
        """
        if isinstance(a, float | int):
            return a if isinstance(a, int) else float(a)
        same = a.dtype == out.dtype and a.shape == out.shape and a.strides == out.strides
        return out if same and self.address(a) == self.address(out) else a

    def _refuse_narrowing(self, op: str, arrays: Sequence[Array], out: Array) -> None:
        widest = max((a.dtype for a in arrays if a.dtype.kind == "f"), key=lambda d: d.itemsize, default=None)
        if widest is not None and out.dtype.kind == "f" and widest.itemsize > out.dtype.itemsize:
            raise DtypeError(
                f"{op}: out", expected=f"an array of {widest}, as its operands", got=out.dtype, fix="convert with copy"
            )

    # ---------------------------------------------------------------- reductions

    def sum(self, a: Array, axis: int | tuple[int, ...], *, out: Array, keepdims: bool = False) -> None:
        axes = sorted(i % a.ndim for i in ((axis,) if isinstance(axis, int) else axis))
        if not axes:
            self.copy(a, out=out)
            return
        if self.kernels.builds(out.dtype) and a.dtype in (out.dtype, np.bool_):
            fold = self.family(Fold, out.dtype)
            if self._fold("sum", a, axes, out, lambda x, y: fold.sum(x, y, workspace=self._long(fold, x, y))):
                return
        self._refuse_narrowing("sum", [a], out)
        self.run("sum", self.xp.sum, (a, axis, out.dtype, out, keepdims), (a,), out)

    def max(self, a: Array, axis: int, *, out: Array, keepdims: bool = False) -> None:
        if not (self.kernels.builds(a.dtype, out.dtype) and self._fold("max", a, [axis], out, self._fold_of(a).max)):
            self.run("max", self.xp.amax, (a, axis, out, keepdims), (a,), out)

    def argmax(self, a: Array, axis: int, *, out: Array) -> None:
        if not (self.kernels.builds(a.dtype) and self._fold("argmax", a, [axis], out, self._fold_of(a).argmax)):
            self.run("argmax", self.xp.argmax, (a, axis, None, out), (a,), out)  # its third argument is a dtype

    def sum_batch(self, a: Array, *, out: Array) -> None:
        self.sum(a, -2, out=out, keepdims=True)

    def dot(self, a: Array, b: Array, *, out: Array) -> None:
        if not self.kernels.builds(a.dtype, b.dtype, out.dtype):
            raise DtypeError(
                "dot: a, b, out", expected="arrays of float32, or of float64", got=(a.dtype, b.dtype, out.dtype),
                fix="convert with copy",
            )  # fmt: skip
        fold = self.family(Fold, out.dtype)

        def emit() -> None:
            for x, y, z in stacks(self.xp, out.shape, a, b, out[..., None], core=1):
                x, y = x[..., None], y[..., None]  # (R, P, 1)
                fold.dot(x, y, z, workspace=self._long(fold, x, z))

        self.launch("dot", emit, (a, b), out)

    def _fold_of(self, a: Array) -> Fold:
        fold: Fold = self.family(Fold, a.dtype)
        return fold

    def _long(self, fold: Fold, x: Array, out: Array) -> Array | None:
        return self.kernels.scratch(out.dtype, fold.workspace(*x.shape))

    def _fold(self, op: str, a: Array, axes: list[int], out: Array, emit: Callable[[Array, Array], object]) -> bool:
        """Reduce neighbouring axes by a kernel; False, and nothing is launched, if they are none or strides forbid."""
        first, last = axes[0] % a.ndim, axes[-1] % a.ndim
        parts = columns(self.xp, a, first, last, out) if last - first + 1 == len(axes) else []
        if parts:
            self.launch(op, lambda: [emit(x, y) for x, y in parts], (a,), out)
        return bool(parts)

    # ---------------------------------------------------------------- matrices

    def matmul(self, a: Array, b: Array, *, out: Array) -> None:
        self._product("matmul", a, b, None, out)

    def affine(self, x: Array, W: Array, b: Array, *, out: Array) -> None:
        self._product("affine", x, W, b, out)

    def _product(self, op: str, a: Array, b: Array, bias: Array | None, out: Array) -> None:
        dtypes = [x.dtype for x in (a, b, bias, out) if x is not None]
        if not self.kernels.builds(*dtypes):
            raise DtypeError(
                f"{op}: operands and out", expected="arrays of float32, or of float64",
                got=", ".join(map(str, dtypes)), fix="convert with copy",
            )  # fmt: skip
        reads, reason = (a, b) if bias is None else (a, b, bias), self.reason_for_cublas(a, b, out)
        if reason is None:
            affine = self.affine_kernels(out.dtype)
            with self.kernels.prepare() as launches:
                done = multiply(self.xp, self.kernels, affine, a, b, bias, out)
            if done:
                self.run(op, launch_all, (tuple(launches),), reads, out)
                return
            reason = "no kernel multiplies matrices with these strides, and CuPy copies them first"
        matrices = tuple(pairs(self.xp, a, b, out))
        self.run("matmul", ByCublas(self.xp, self.precision, reason), (matrices,), (a, b), out)
        if bias is not None:
            self.add(out, bias, out=out)

    def affine_kernels(self, dtype: Any) -> Affine:
        """Return our kernels for products of a dtype."""
        kernels = self.kernels
        affine: Affine = self.family(Affine, dtype, self.address, kernels.multiprocessors, kernels.copies)
        return affine

    def reason_for_cublas(self, a: Array, b: Array, out: Array) -> str | None:
        """Return why cuBLAS multiplies these matrices, or None where our kernels do."""
        (M, N), K = out.shape[-2:], a.shape[-1]
        precision = "tf32" if self.precision == "tf32" and out.dtype == np.float32 else out.dtype.name
        if chosen(precision, M, N, K).choice == "kernel" or not without_copies(self.xp, a, b, out):
            return None
        return f"cuBLAS multiplies ({M}, {K}) ({K}, {N}) faster than a kernel, and CuPy keeps it out of graphs"

    # ---------------------------------------------------------------- selection and randomness

    def take(self, a: Array, index: Array, *, out: Array) -> None:
        dtype = "float32" if a.dtype == np.int64 else a.dtype  # the library that has a kernel for integers, too
        if self._gathers(a, index) and a.dtype == out.dtype and self.kernels.builds(dtype):
            self._gather(dtype, a, index, out)
        else:
            self.run("take", self.xp.take, (a, index, 0, out), (a, index), out)

    def take_rescaled(self, a: Array, index: Array, factor: float, *, work: Array, out: Array) -> None:
        if self._gathers(a, index) and a.dtype == np.uint8 and self.kernels.builds(out.dtype):
            self._gather(out.dtype, a, index, out, scale=factor)
        else:
            super().take_rescaled(a, index, factor, work=work, out=out)

    def _gathers(self, a: Array, index: Array) -> bool:
        return index.dtype == np.int64 and index.ndim > 0 and a.flags.c_contiguous

    def _gather(self, dtype: Any, a: Array, index: Array, out: Array, scale: float = 1) -> None:
        gather = self.family(Gather, dtype, self.address)

        def emit() -> None:
            for i, x in contiguous(index, out):
                gather(a, i, x, scale=scale)

        self.launch("take", emit, (a, index), out)

    def take_next(self, step: Array, real: tuple[Array, Array], index: tuple[Array, Array] | None = None) -> None:
        table, row = real
        if not self.kernels.builds(table.dtype):
            super().take_next(step, real, index)
            return
        take, arrived = self.family(NextRows, table.dtype), self.kernels.arrivals()
        self.launch("take", lambda: take(*(index or (None, None)), table, row, step, arrived), (table, step), row)

    def add_rows(self, a: Array, index: Array, *, out: Array, cleared: bool = False) -> None:
        if not self._scatters(a, index, out):
            super().add_rows(a, index, out=out, cleared=cleared)
            return
        if not cleared:
            self.fill(0.0, out=out)
        self.launch("add_rows", lambda: self.family(Scatter, out.dtype).add(a, index, out), (a, index, out), out)

    def put_rows(self, a: Array, index: Array, *, out: Array) -> None:
        if not self._scatters(a, index, out):
            super().put_rows(a, index, out=out)
            return
        self.launch("put_rows", lambda: self.family(Scatter, out.dtype).put(a, index, out), (a, index, out), out)

    def _scatters(self, a: Array, index: Array, out: Array) -> bool:
        dense = all(each.flags.c_contiguous for each in (a, index, out))
        return dense and index.dtype == np.int64 and self.kernels.builds(a.dtype, out.dtype)

    def uniform(self, seeds: Sequence[int], clock: Array, stream: int, *, out: Array) -> None:
        if not self.kernels.builds(out.dtype):
            raise DtypeError("uniform: out", expected="float32 or float64", got=out.dtype, fix="use one of these")
        draw, keys = self.family(Dropout, out.dtype), self.from_host(np.asarray(seeds, np.uint64))
        rows = out if len(seeds) > 1 or out.shape[:1] == (1,) else out[None]

        def emit() -> None:
            for key, u in contiguous(keys, rows):
                draw.uniform(u, key, clock, stream)

        self.launch("uniform", emit, (clock,), out)
