"""Kernels from .cu text: built for the CPU, launched on arrays of the device with the checks of the emulator."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.cuda.cuda_emulator import EmulatedFunction, EmulatedModule, Emulator
from tests.cuda.fake_cupy.arrays import ndarray
from tests.cuda.fake_cupy.device import DEVICE


class RawModule:
    """A file of kernels."""

    emulator = Emulator()

    def __init__(self, *, code: str, options: tuple[str, ...] = (), backend: str = "nvrtc") -> None:
        self.module = _module(code, options)

    def compile(self) -> None:
        """Build now what is built at the latest for the first function."""

    def get_function(self, name: str) -> RawKernel:
        return RawKernel(self.module.get_function(name))


_MODULES: dict[tuple[str, tuple[str, ...]], EmulatedModule] = {}


def _module(code: str, options: tuple[str, ...]) -> EmulatedModule:
    """Build a text once in a process, as CuPy does by its cache on disk."""
    if (code, options) not in _MODULES:
        head, text = code.split("\n", 1)
        file = head.split('"')[1]  # the compiler gets #line with the name of the file
        _MODULES[code, options] = EmulatedModule(RawModule.emulator, text, file, options)
    return _MODULES[code, options]


class RawKernel:
    """One kernel. Its arguments are checked when it is launched, its threads run when the stream comes to it."""

    def __init__(self, function: EmulatedFunction) -> None:
        self.function, self.name = function, function.name
        self.kernel = SimpleNamespace(ptr=id(function))

    def __call__(self, grid: Any, block: Any, args: tuple[Any, ...], *, shared_mem: int = 0) -> None:
        arrays = [a for a in args if isinstance(a, ndarray)]
        for a in args:
            if not isinstance(a, ndarray | np.generic):
                raise TypeError(f"{self.name}: Unsupported type {type(a)}")
        hosts = tuple(a.host if isinstance(a, ndarray) else a for a in args)
        self.function._check(hosts)
        DEVICE.launches += 1
        function = self.function
        DEVICE.current.submit(lambda: function(grid, block, hosts, shared_mem=shared_mem), [a.memory for a in arrays])
