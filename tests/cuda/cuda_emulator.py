"""Run CUDA kernels on the CPU, called as CuPy calls them: a compiler for `minisgd.backend.cuda.launcher`.

    library = KernelLibrary(Emulator(order="random", seed=3))
    library.kernel(definition)((1, 1, 1), (32, 1, 1), x, y, n)        # x, y are NumPy arrays

What a run can show: wrong results, arguments of the wrong type, accesses outside of arrays and of shared
memory, misaligned vectors, divergent barriers, lanes missing from a warp collective, deadlocks; by its order of
threads and blocks, and by shared memory that starts as NaN, most missing barriers. What only the sanitizers'
builds show: races that no order of whole threads reveals, and blocks that write to one place without atomics.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from tests.cuda.cuda_build import build_kernels, machine
from tests.cuda.guarded_arrays import GuardedArrays

ORDERS = ("forward", "reverse", "random")


class KernelFault(Exception):
    """Report what a kernel did that no kernel may do, with the line that did it."""


class _Launch(ctypes.Structure):
    _fields_ = [
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("dynamic_bytes", ctypes.c_size_t),
        ("order", ctypes.c_int),
        ("patience", ctypes.c_int),
        ("seed", ctypes.c_ulonglong),
    ]


class Emulator:
    """Compile kernels for the CPU.

    order: in which threads and blocks run, "forward", "reverse" or "random" by the seed. patience: seconds of
    processor time after which a launch counts as endless.
    """

    def __init__(self, order: str = "forward", seed: int = 0, patience: int = 60) -> None:
        self.order, self.seed, self.patience = ORDERS.index(order), seed, patience

    def compile(self, source: str, file: str, options: tuple[str, ...]) -> EmulatedModule:
        return EmulatedModule(self, source, file, options)

    def owns(self, array: Any) -> bool:
        return isinstance(array, np.ndarray)


class EmulatedModule:
    """A kernel file built for the CPU."""

    def __init__(self, emulator: Emulator, source: str, file: str, options: tuple[str, ...]) -> None:
        machine()
        self.emulator, self.file = emulator, file
        self.path, self.names = build_kernels(source, file, options)
        self.library = ctypes.CDLL(str(self.path))

    def get_function(self, name: str) -> EmulatedFunction:
        if name not in self.names:
            raise KeyError(f"{self.file} has no kernel {name}, only {', '.join(self.names)}")
        return EmulatedFunction(self, name)


class EmulatedFunction:
    """A kernel; calling it runs every thread of every block before it returns."""

    def __init__(self, module: EmulatedModule, name: str) -> None:
        self.module, self.name = module, name
        described = ctypes.create_string_buffer(4096)
        getattr(module.library, f"emulator_describe_{name}")(described)
        self.parameters = described.value.decode().rstrip(",").split(",")
        self.most_threads = int(getattr(module.library, f"emulator_bound_{name}")())
        self.start = getattr(module.library, f"emulator_start_{name}")

    def __call__(
        self, grid: tuple[int, int, int], block: tuple[int, int, int], args: tuple[Any, ...], *, shared_mem: int = 0
    ) -> None:
        if int(np.prod(block)) > self.most_threads:
            raise KernelFault(
                f"{self.name}: block {block} has more threads than its __launch_bounds__, {self.most_threads}"
            )
        self._check(args)
        emulator = self.module.emulator
        launch = _Launch(
            (ctypes.c_uint * 3)(*grid),
            (ctypes.c_uint * 3)(*block),
            shared_mem,
            emulator.order,
            emulator.patience,
            emulator.seed,
        )
        message, instruction = ctypes.create_string_buffer(1024), ctypes.c_void_p()
        pointed = [
            i for i, parameter in enumerate(self.parameters) if parameter[0] == "*" and isinstance(args[i], np.ndarray)
        ]
        # both ends of an array get their turn next to a page that may not be touched
        with GuardedArrays({i: args[i] for i in pointed}, at_front=ORDERS[emulator.order] == "reverse") as arrays:
            values = [arrays.address[i] if i in arrays.address else np.asarray(value) for i, value in enumerate(args)]
            pointers = (ctypes.c_void_p * len(values))(*(value.ctypes.data for value in values))
            failed = self.start(
                ctypes.byref(launch), pointers, message, ctypes.c_size_t(len(message)), ctypes.byref(instruction)
            )
            if failed:
                raise KernelFault(self._explain(message.value.decode(), instruction.value))
            stained = arrays.stained()
            if stained is not None:
                raise KernelFault(f"{self.module.file}: {self.name}: write outside of argument {stained}")
            arrays.copy_back({i for i in pointed if not self.parameters[i].startswith("*c")})

    def _check(self, args: tuple[Any, ...]) -> None:
        if len(args) != len(self.parameters):
            raise TypeError(f"{self.name}: takes {len(self.parameters)} arguments, got {len(args)}")
        for i, (value, parameter) in enumerate(zip(args, self.parameters, strict=True)):
            kind = f"{value.dtype.kind}{value.dtype.itemsize}"
            if isinstance(value, np.ndarray):
                kind = f"*{kind}"
                if not parameter.startswith("*c") and not value.flags.writeable:
                    raise TypeError(f"{self.name}: argument {i} is written to, but the array is read-only")
            elif parameter[0] == "*" and kind == "u8" and int(value) == 0:
                continue  # a null pointer
            if kind != parameter.replace("*c", "*"):
                raise TypeError(f"{self.name}: argument {i} is {kind}, the kernel takes {parameter}")

    def _explain(self, message: str, instruction: int | None) -> str:
        line = "" if instruction is None else f"{_line_of(self.module.path, instruction)}: "
        message = re.sub(r"array #(\d+)", r"argument \1", message)
        return f"{self.module.file}: {self.name}: {line}{message}"


def _line_of(library: Path, instruction: int) -> str:
    """Return "line 12" for the address of an instruction in a loaded library."""
    mappings = Path("/proc/self/maps").read_text().splitlines()
    start = next(int(mapping.split("-")[0], 16) for mapping in mappings if mapping.endswith(library.name))
    command = ["addr2line", "-e", str(library), hex(instruction - start)]
    found = subprocess.run(command, capture_output=True, text=True).stdout
    match = re.search(r":([1-9]\d*)", found)
    return f"line {match[1]}" if match else "unknown line"
