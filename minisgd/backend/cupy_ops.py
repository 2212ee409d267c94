"""The GPU: the same vocabulary through CuPy. The only file that imports cupy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minisgd.backend.cuda_graph import GraphProgram
from minisgd.backend.cuda_stream import on_stream
from minisgd.backend.cuda_trouble import find_trouble, no_cupy
from minisgd.backend.lane import Lane, PinnedLane
from minisgd.backend.ops import Operand, Ops
from minisgd.backend.program import Program
from minisgd.typing import Array, HostArray, Shape


def import_cupy() -> Any:
    """Return CuPy, with a driver, a device and a compiler behind it.

    Errors: MissingExtraError with what is missing and how to get it.
    """
    try:
        import cupy
        import cupyx.scipy.special  # noqa: F401  (erf lives there)
    except ImportError as problem:
        raise no_cupy(problem) from problem
    trouble = find_trouble(cupy)
    if trouble is not None:
        raise trouble
    return cupy


class CupyOps(Ops):
    """Array operations in the memory of a CUDA device."""

    device = "cuda"
    updates_ahead = 8

    def __init__(self, precision: str = "full") -> None:
        self.cupy, self.precision = import_cupy(), precision
        super().__init__(self.cupy)
        self.stream = self.cupy.cuda.Stream(non_blocking=True)

    def new_program(self) -> Program:
        return GraphProgram(self.cupy, self.stream)

    def lane(self, slots: tuple[Array, Array]) -> Lane:
        return PinnedLane(self, slots)

    def pinned(self, shape: Shape, dtype: Any) -> HostArray:
        """Return a host array from which the device can copy by itself, beside its computing."""
        import cupyx

        array: HostArray = cupyx.empty_pinned(shape, dtype)
        return array

    def free_memory(self) -> int:
        free, _ = self.cupy.cuda.runtime.memGetInfo()
        return int(free + self.cupy.get_default_memory_pool().free_bytes())

    def identify(self) -> tuple[str, int]:
        properties = self.cupy.cuda.runtime.getDeviceProperties(0)
        return properties["name"].decode(), int(properties["totalGlobalMem"])

    @on_stream
    def run(
        self, op: str, function: Callable[..., Any], args: tuple[Any, ...], reads: tuple[Any, ...], out: Array
    ) -> None:
        super().run(op, function, args, reads, out)

    empty = on_stream(Ops.empty)
    zeros = on_stream(Ops.zeros)
    from_host = on_stream(Ops.from_host)
    compact = on_stream(Ops.compact)
    constant = on_stream(Ops.constant)
    ones = on_stream(Ops.ones)
    arange = on_stream(Ops.arange)

    @on_stream
    def upload(self, array: Any, *, out: Array) -> None:
        plain = isinstance(array, np.ndarray) and array.shape == out.shape and array.dtype == out.dtype
        if plain and out.flags.c_contiguous:
            # straight to its place: a data set need not fit into the memory twice
            out.set(np.ascontiguousarray(array), stream=self.stream)  # type: ignore[attr-defined]
        else:
            super().upload(array, out=out)

    @on_stream
    def to_host(self, array: Array) -> HostArray:
        host: HostArray = self.cupy.asnumpy(array)
        return host

    def address(self, array: Array) -> int:
        return int(array.data.ptr)  # type: ignore[attr-defined]

    def elementwise(self, op: str, *operands: Operand, out: Array) -> None:
        self.run(op, getattr(self.xp, op), (*operands, out), operands, out)

    def max(self, a: Array, axis: int, *, out: Array, keepdims: bool = False) -> None:
        # CuPy's ufuncs reduce by addition and multiplication only
        self.run("max", self.xp.amax, (a, axis, out, keepdims), (a,), out)

    def argmax(self, a: Array, axis: int, *, out: Array) -> None:
        self.run("argmax", self.xp.argmax, (a, axis, None, out), (a,), out)  # its third argument is a dtype

    def take(self, a: Array, index: Array, *, out: Array) -> None:
        self.run("take", self.xp.take, (a, index, 0, out), (a, index), out)

    def dot(self, a: Array, b: Array, *, out: Array) -> None:
        def inner(a: Array, b: Array, out: Array) -> None:
            self.xp.sum(a * b, axis=-1, out=out)

        self.run("dot", inner, (a, b, out), (a, b), out)

    def erf(self, a: Array, *, out: Array) -> None:
        import cupyx.scipy.special

        self.run("erf", cupyx.scipy.special.erf, (a, out), (a,), out)

    def uniform(self, seeds: Sequence[int], clock: Array, stream: int, *, out: Array) -> None:
        def draw(clock: Array, out: Array) -> None:
            # drawn on the host until a kernel draws the same numbers in place
            from minisgd.backend.numpy_ops import NumpyOps

            numbers = np.empty(out.shape, out.dtype)
            NumpyOps().uniform(seeds, np.asarray(int(clock)), stream, out=numbers)
            out.set(numbers)  # type: ignore[attr-defined]

        self.run("uniform", draw, (clock, out), (clock,), out)

    def synchronize(self) -> None:
        self.stream.synchronize()
