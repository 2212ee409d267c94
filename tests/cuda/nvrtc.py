"""Compile kernels for real devices, with neither a device nor a driver: NVRTC from its PyPI wheel, by ctypes.

    pip install nvidia-cuda-nvrtc            # or nvidia-cuda-nvrtc-cu12
    python tests/cuda/nvrtc.py gemm          # registers, spills and shared memory of a file, as a table

The options are those that CuPy gives NVRTC, so what compiles here compiles there. Where a kernel spills though it
has registers left, ptxas has traded them for occupancy: __launch_bounds__(threads, 1) forbids it.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ARCHITECTURES = ("sm_75", "sm_80", "sm_90")
"""Turing, Ampere, Hopper."""

_LIKE_CUPY = ("-std=c++17", "-ftz=true", "--device-as-default-execution-space")


class CompileError(Exception):
    """Report what NVRTC said about a kernel file."""


@dataclass(frozen=True)
class Usage:
    """What one kernel needs of a multiprocessor: bytes, and registers a thread."""

    kernel: str
    architecture: str
    registers: int
    spill_stores: int
    spill_loads: int
    stack: int
    shared: int


@cache
def missing_nvrtc() -> str | None:
    """Return why kernels cannot be compiled for devices here, or None if they can."""
    return None if _find() else "NVRTC is not installed: pip install nvidia-cuda-nvrtc"


def version() -> str:
    """Return the version of NVRTC, as in 13.0."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    _nvrtc().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return f"{major.value}.{minor.value}"


def compile_for(architecture: str, source: str, file: str, options: Iterable[str]) -> list[Usage]:
    """Compile a kernel file for an architecture and return what each of its kernels uses.

    Errors: CompileError with NVRTC's log, also if it only warns.
    """
    nvrtc, program = _nvrtc(), ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), file.encode(), 0, None, None)
    try:
        flags = [*options, *_LIKE_CUPY, f"-arch={architecture}", "--ptxas-options=-v"]
        status = nvrtc.nvrtcCompileProgram(
            program, len(flags), (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
        )
        log = _log(nvrtc, program)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if status or "warning" in log:
        raise CompileError(f"{file} for {architecture} with {' '.join(options)}\n{log}")
    return _read(log, architecture)


def table(rows: Iterable[tuple[str, str, Usage]]) -> str:
    """Return usages as text: one line a kernel and build, from (file, macros, usage) of each architecture."""
    lines: dict[tuple[str, str, str], dict[str, Usage]] = {}
    for file, macros, usage in rows:
        lines.setdefault((file, usage.kernel, macros), {})[usage.architecture] = usage
    width = max(len(f"{file}: {kernel}") for file, kernel, _ in lines) + 2
    heading = f"{'kernel':{width}}{'registers on':>13} {' '.join(f'{a:>6}' for a in ARCHITECTURES)}  shared  macros"
    return "\n".join(
        [heading]
        + [
            f"{f'{file}: {kernel}':{width}}{'':>13} "
            + " ".join(f"{used[a].registers if a in used else '-':>6}" for a in ARCHITECTURES)
            + f"  {max(usage.shared for usage in used.values()):>6}  {macros}"
            for (file, kernel, macros), used in lines.items()
        ]
    )


def _read(log: str, architecture: str) -> list[Usage]:
    usages = []
    for part in log.split("Compiling entry function ")[1:]:
        spilled = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", part)
        used, shared = re.search(r"Used (\d+) registers", part), re.search(r"(\d+) bytes smem", part)
        if spilled is None or used is None:
            raise CompileError(f"unreadable report of ptxas:\n{part}")
        stack, stores, loads = map(int, spilled.groups())
        name = part.split("'")[1]
        usages.append(Usage(name, architecture, int(used[1]), stores, loads, stack, int(shared[1]) if shared else 0))
    return usages


def _log(nvrtc: ctypes.CDLL, program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, text)
    return text.value.decode()


@cache
def _nvrtc() -> ctypes.CDLL:
    library = _find()
    assert library is not None
    for builtins in library.parent.glob("libnvrtc-builtins.so.*"):  # NVRTC looks for it by name, we know where it is
        ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(library))


@cache
def _find() -> Path | None:
    """Return the newest library that a wheel installed: nvidia/cu13/lib or nvidia/cuda_nvrtc/lib."""
    found = [
        library
        for folder in map(Path, sys.path)
        for place in ("cu*", "cuda_nvrtc")
        for library in folder.glob(f"nvidia/{place}/lib/libnvrtc.so.*")
    ]
    return max(found, key=lambda library: int(library.suffix[1:]), default=None)


if __name__ == "__main__":
    from tests.cuda.shipped_kernels import builds

    wanted = sys.argv[1:]
    usages = []
    for build in builds():
        if not wanted or build.file in wanted:
            for architecture in ARCHITECTURES:
                for usage in compile_for(architecture, build.source, f"{build.file}.cu", build.options):
                    usages.append((build.file, build.label, usage))
                    if usage.spill_stores or usage.spill_loads:
                        spills = f"{usage.spill_stores} bytes stored, {usage.spill_loads} loaded"
                        print(f"SPILLS {architecture} {build.file}: {usage.kernel} {build.label}: {spills}")
    print(table(usages))
