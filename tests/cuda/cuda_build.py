"""Build kernels and the machine with g++, once for each content: a cache folder keeps the libraries for all processes.

A build has one of three kinds: "plain", which every test run uses; "asan" and "tsan", whose processes
`sanitize.py` starts with the sanitizer loaded first.
"""

from __future__ import annotations

import ctypes
import getpass
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tests.cuda.cuda_rewrite import kernels_in, rewrite_shared

RUNTIME = Path(__file__).parent / "runtime"
KIND = os.environ.get("MINISGD_SANITIZER", "plain")

_COMMON = ("-std=c++17", "-fPIC", "-shared", "-fno-strict-aliasing", "-ffp-contract=off", "-fno-omit-frame-pointer")
_CHECKS = ("-fsanitize=bounds,alignment", "-fno-sanitize-recover=bounds,alignment")
_KERNEL_FLAGS = {
    "plain": ("-O1", "-g1", "-w", *_CHECKS),
    "asan": ("-O1", "-g1", "-w", *_CHECKS, "-fsanitize=address"),
    "tsan": ("-O1", "-g1", "-w", "-fsanitize=thread"),
}
_MACHINE_FLAGS = {
    "plain": ("-O2",),
    "asan": ("-O1", "-g1", "-DEMULATOR_SANITIZED", "-fsanitize=address"),
    "tsan": ("-O1", "-g1", "-DEMULATOR_SANITIZED", "-DEMULATOR_TSAN"),
}


class BuildError(Exception):
    """Report what g++ said about a kernel file."""


@cache
def missing_toolchain() -> str | None:
    """Return why kernels cannot be emulated on this machine, or None if they can."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return f"the emulator switches stacks on Linux x86-64 only, this is {platform.system()} {platform.machine()}"
    if shutil.which("g++") is None:
        return "g++ is not installed"
    return None


@cache
def cache_folder() -> Path:
    """Return the folder of built libraries: $MINISGD_EMULATOR_CACHE, or one of the user's in the temporary folder."""
    default = Path(tempfile.gettempdir()) / f"minisgd-emulator-{getpass.getuser()}"
    folder = Path(os.environ.get("MINISGD_EMULATOR_CACHE", default))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@cache
def machine() -> ctypes.CDLL:
    """Build and load the machine; kernels find its functions in the process."""
    sources = sorted(RUNTIME.iterdir())
    text = "\n".join(path.read_text() for path in sources)
    command = ["g++", *_COMMON, *_MACHINE_FLAGS[KIND], *(str(path) for path in sources if path.suffix == ".cpp")]
    library = _build(command, None, text)
    return ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def build_kernels(source: str, file: str, options: tuple[str, ...]) -> tuple[Path, list[str]]:
    """Return the library of a kernel file, and the names of its kernels.

    Errors: BuildError with the message of g++.
    """
    preprocessed = _preprocess(source, file, options)
    heads = kernels_in(preprocessed)
    if not heads:
        raise BuildError(f"{file}: no kernel with these options: {' '.join(options)}")
    entries = "\n".join(f"EMULATOR_ENTRY({head.name}, {head.most_threads})" for head in heads)
    text = f'#include "cuda_on_cpu.h"\n{rewrite_shared(preprocessed)}\n#include "entry.h"\n{entries}\n'
    headers = "".join(path.read_text() for path in sorted(RUNTIME.glob("*.h")))
    # without default libraries: what the checks call is found in the machine, not in the UBSan library
    command = ["g++", *_COMMON, *_KERNEL_FLAGS[KIND], *_fused(), "-nodefaultlibs", f"-I{RUNTIME}", "-x", "c++", "-"]
    return _build(command, text, headers), [head.name for head in heads]


@cache
def _fused() -> tuple[str, ...]:
    """Let fmaf be one instruction where the processor has it; the result is the same either way."""
    return ("-mfma",) if " fma " in Path("/proc/cpuinfo").read_text() else ()


@cache
def _preprocess(source: str, file: str, options: tuple[str, ...]) -> str:
    command = ["g++", "-E", "-x", "c++", "-std=c++17", *(option for option in options if option.startswith("-D")), "-"]
    done = subprocess.run(command, input=f'#line 1 "{file}"\n{source}', capture_output=True, text=True)
    if done.returncode:
        raise BuildError(done.stderr)
    return done.stdout


def _build(command: list[str], text: str | None, depends: str) -> Path:
    key = hashlib.sha256("\0".join([_compiler(), *command, text or "", depends]).encode()).hexdigest()[:24]
    library = cache_folder() / f"{key}.so"
    if library.exists():
        return library
    import fcntl  # which only Linux has, as the emulator

    with open(cache_folder() / f"{key}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be building the same, and waiting is cheaper
        if not library.exists():
            draft = library.with_suffix(".part")
            done = subprocess.run([*command, "-o", str(draft)], input=text, capture_output=True, text=True)
            if done.returncode:
                raise BuildError(done.stderr[:4000])
            os.replace(draft, library)
    return library


@cache
def _compiler() -> str:
    return subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True).stdout
