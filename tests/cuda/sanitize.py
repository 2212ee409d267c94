"""Run tests of kernels, or any program, in a sanitizer's build of the emulator.

    python -m tests.cuda.sanitize asan                       # the smallest shapes of tests/kernels
    python -m tests.cuda.sanitize tsan tests/kernels/test_update_kernels.py
    python -m tests.cuda.sanitize tsan --program planted_bugs grid_sum MISSING_ATOMIC

AddressSanitizer finds accesses outside of arrays to the byte; ThreadSanitizer finds accesses of two threads to
one place that nothing on a device would order. Both must be loaded before Python, so they get processes of
their own. The exit code is that of the program, or not zero where the sanitizer found something.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KERNEL_TESTS = ROOT / "tests" / "kernels"

LIBRARIES = {"asan": "libasan.so", "tsan": "libtsan.so"}
OPTIONS = {
    # Python and NumPy free nothing at exit and keep stacks of their own
    "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1",
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:report_signal_unsafe=0:halt_on_error=1:exitcode=66",
}
LARGEST_BATCH = 33
"""Batches above are left to the plain build: a sanitizer runs every thread some twenty times slower."""


@cache
def missing_sanitizer(kind: str) -> str | None:
    """Return why a sanitizer's build cannot run here, or None if it can."""
    if shutil.which("g++") is None:
        return "g++ is not installed"
    if not Path(_library(kind)).is_file():
        return f"g++ has no {LIBRARIES[kind]}"
    if shutil.which("setarch") is None:
        return "setarch is not installed, which turns off the randomisation of addresses"
    return None


def run(kind: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a Python program in the build of a sanitizer and return what it said."""
    return subprocess.run(
        [*_prefix(), sys.executable, *command],
        env=_environment(kind),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


class SmallestShapes:
    """A pytest plugin that keeps the tests worth their time here: one order, no large batch."""

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        kept = [item for item in items if _is_small(getattr(item, "callspec", None))]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def _is_small(callspec: Any) -> bool:
    parameters = {} if callspec is None else callspec.params
    return parameters.get("order", "forward") == "forward" and all(
        value <= LARGEST_BATCH
        for name, value in parameters.items()
        if name in ("B", "batch") and isinstance(value, int)
    )


def _prefix() -> list[str]:
    return ["setarch", "-R"]  # ThreadSanitizer wants its addresses free


@cache
def _library(kind: str) -> str:
    found = subprocess.run(["g++", f"-print-file-name={LIBRARIES[kind]}"], capture_output=True, text=True)
    return found.stdout.strip()


def _environment(kind: str) -> dict[str, str]:
    preload = {"LD_PRELOAD": _library(kind), "MINISGD_SANITIZER": kind, "OPENBLAS_NUM_THREADS": "1"}
    return {**os.environ, **OPTIONS, **preload}


def main(arguments: list[str]) -> int:
    """Run one leg; see the top of this file."""
    if not arguments or arguments[0] not in LIBRARIES:
        print(__doc__, file=sys.stderr)
        return 2
    kind, *rest = arguments
    reason = missing_sanitizer(kind)
    if reason is not None:
        print(f"{kind}: {reason}", file=sys.stderr)
        return 1
    if rest[:1] == ["--program"]:
        command = ["-m", f"tests.cuda.{rest[1]}", *rest[2:]]
    else:
        command = ["-m", "tests.cuda.sanitize", "--inside", *rest]
        if not any(Path(argument.split("::")[0]).exists() for argument in rest):
            command.append(str(KERNEL_TESTS))
    done = subprocess.run([*_prefix(), sys.executable, *command], env=_environment(kind), cwd=ROOT)
    return done.returncode


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        import pytest

        sys.exit(
            # no workers: they would be processes without the plugin
            pytest.main(
                ["-q", "-n", "0", "-p", "no:faulthandler", "-p", "no:cacheprovider", *sys.argv[2:]], [SmallestShapes()]
            )
        )
    sys.exit(main(sys.argv[1:]))
