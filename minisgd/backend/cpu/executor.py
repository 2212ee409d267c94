"""Who executes the recorded programs of the CPU: NumPy, call by call, or the native executor."""

from __future__ import annotations

import os
from functools import cache

from minisgd.backend.program import Program
from minisgd.errors import ArgumentError

VARIABLE = "MINISGD_EXECUTOR"
"""Environment variable that chooses: "numpy" or "native"; by default native where that works."""


def program_type() -> type[Program]:
    """Return the programs of the executor that was chosen.

    Raises:
        ArgumentError: If the environment asks for an unknown executor, or for one that does not work here.
    """
    choice = os.environ.get(VARIABLE, "")
    if choice not in ("", "numpy", "native"):
        raise ArgumentError(VARIABLE, expected="'numpy' or 'native'", got=choice, fix="unset it")
    reason = None if choice == "numpy" else why_not_native()
    if choice == "native" and reason:
        raise ArgumentError(VARIABLE, expected="an executor that works here", got=choice, fix=reason)
    if choice == "numpy" or reason:
        return Program
    from minisgd.backend.cpu.native.program import NativeProgram

    return NativeProgram


@cache
def why_not_native() -> str | None:
    """Return why programs cannot run natively here, and what to do about it, or None where they can."""
    command = "python -m minisgd.backend.cpu.native.build"
    try:
        from minisgd.backend.cpu.native import _executor, build

        if getattr(_executor, "checksum", None) != build.checksum():
            return f"rebuild it, its C sources are not those that it was built from: {command}"
        from minisgd.backend.cpu.native import self_test
    except ImportError as error:
        return f"build it with a C compiler: {command} ({error})"
    failure = self_test.failure()
    return failure and f"rebuild it for this version of NumPy: {failure}"
