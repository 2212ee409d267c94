"""Where tests of kernels run: on the emulator, or with MINISGD_KERNELS_ON=cuda on a GPU.

The tests themselves do not change. On a GPU their NumPy arrays are copied to the device for the time of a
launch, with the distance and alignment they have to each other on the host, and copied back.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

import numpy as np

from minisgd.backend.cuda.launcher import Compiler
from tests.cuda.cuda_build import missing_toolchain
from tests.cuda.cuda_emulator import Emulator
from tests.cuda.guarded_arrays import ALIGNMENT, merge

ON_GPU = os.environ.get("MINISGD_KERNELS_ON") == "cuda"


def missing_device() -> str | None:
    """Return why kernels cannot be tested here, or None if they can."""
    return None if ON_GPU else missing_toolchain()


def compiler(order: str, seed: int) -> Compiler:
    """Return the compiler of the device that tests run on; a GPU has an order of its own."""
    if not ON_GPU:
        return Emulator(order, seed)
    import cupy

    cupy.cuda.set_allocator(None)  # no pool: compute-sanitizer knows the end of every array
    return HostArraysOnGpu(cupy)


class HostArraysOnGpu:
    """Compile kernels with CuPy, and launch them on NumPy arrays."""

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy

    def compile(self, source: str, file: str, options: tuple[str, ...]) -> _Module:
        code = f'#line 1 "{file}"\n{source}'
        return _Module(self.cupy, self.cupy.RawModule(code=code, options=("-std=c++17", *options)))

    def owns(self, array: Any) -> bool:
        return isinstance(array, np.ndarray)


class _Module:
    def __init__(self, cupy: Any, module: Any) -> None:
        self.cupy, self.module = cupy, module

    def get_function(self, name: str) -> _Function:
        return _Function(self.cupy, self.module.get_function(name))


class _Function:
    def __init__(self, cupy: Any, function: Any) -> None:
        self.cupy, self.function = cupy, function

    def __call__(self, grid: Any, block: Any, args: tuple[Any, ...], *, shared_mem: int = 0) -> None:
        arrays = {i: value for i, value in enumerate(args) if isinstance(value, np.ndarray)}
        values, moved = list(args), []
        for region in merge(arrays):
            memory = self.cupy.cuda.alloc(region.size + region.low % ALIGNMENT) + region.low % ALIGNMENT
            memory.copy_from_host(ctypes.c_void_p(region.low), region.size)
            moved.append((region, memory))
            for i in region.members:
                values[i] = np.uint64(memory.ptr + arrays[i].ctypes.data - region.low)
        self.function(grid, block, tuple(values), shared_mem=shared_mem)
        self.cupy.cuda.get_current_stream().synchronize()
        for region, memory in moved:
            if any(arrays[i].flags.writeable for i in region.members):
                memory.copy_to_host(ctypes.c_void_p(region.low), region.size)
