"""The GPU: the same vocabulary through CuPy. The only file that imports cupy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minisgd.backend.batch_transfer import BatchTransfer
from minisgd.backend.cuda.batch_transfer import DoubleBufferedTransfer
from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.cuda.device_kernels import ARRIVALS, FLOATS, SCRATCH
from minisgd.backend.cuda.diagnosis import find_trouble, no_cupy
from minisgd.backend.cuda.graph import GraphProgram
from minisgd.backend.cuda.stream import Fork, on_stream
from minisgd.backend.ops import Ops
from minisgd.backend.program import Program
from minisgd.typing import Array, HostArray, Shape


def import_cupy() -> Any:
    """Return CuPy, with a driver, a device and a compiler behind it.

    Raises:
        MissingExtraError: If CUDA cannot be used: what is missing and how to get it.
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


def join_group(size: int, rank: int) -> Any:
    """Take a GPU of this machine for this process, and return its NCCL group with the other ranks of MPI."""
    cupy = import_cupy()
    cupy.cuda.Device(rank % cupy.cuda.runtime.getDeviceCount()).use()
    from cupyx.distributed import init_process_group

    return init_process_group(size, rank, use_mpi=True)


class CupyOps(CupyVocabulary):
    """Array operations in the memory of a CUDA device.

    precision: "full", or "tf32" for large float32 products that may round their elements, see `CupyVocabulary`
    """

    device = "cuda"
    steps_per_launch = 8

    def __init__(self, precision: str = "full") -> None:
        self.cupy = import_cupy()
        super().__init__(self.cupy, precision)
        self.stream = self.cupy.cuda.Stream(non_blocking=True)
        self.fork = Fork(self.cupy, self.stream)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.precision,)

    def new_program(self) -> Program:
        return GraphProgram(self.cupy, self.stream)

    def batch_transfer(self, slots: tuple[Array, Array]) -> BatchTransfer:
        return DoubleBufferedTransfer(self, slots)

    def pinned(self, shape: Shape, dtype: Any) -> HostArray:
        """Return a host array from which the device can copy by itself, beside its computing."""
        import cupyx

        array: HostArray = cupyx.empty_pinned(shape, dtype)
        return array

    def free_memory(self) -> int:
        free, _ = self.cupy.cuda.runtime.memGetInfo()
        return int(free + self.cupy.get_default_memory_pool().free_bytes())

    def own_bytes(self) -> int:
        return SCRATCH * sum(np.dtype(dtype).itemsize for dtype in FLOATS) + ARRIVALS * np.dtype(np.int32).itemsize

    def identify(self) -> tuple[str, int]:
        properties = self.cupy.cuda.runtime.getDeviceProperties(0)
        return properties["name"].decode(), int(properties["totalGlobalMem"])

    @on_stream
    def run(
        self, op: str, function: Callable[..., Any], args: tuple[Any, ...], reads: tuple[Any, ...], out: Array
    ) -> None:
        for array in (*reads, out):
            if isinstance(array, np.ndarray):
                self.require(array, op)
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
        self.require(array, "operand")
        return int(array.data.ptr)  # type: ignore[attr-defined]

    def erf(self, a: Array, *, out: Array) -> None:
        import cupyx.scipy.special

        self.run("erf", cupyx.scipy.special.erf, (self.operand(a, out), out), (a,), out)

    def synchronize(self) -> None:
        self.stream.synchronize()
