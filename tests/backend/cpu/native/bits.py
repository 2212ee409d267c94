"""The same calls by both executors, compared byte by byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from minisgd.backend import Call, NumpyOps, Program
from minisgd.backend.cpu.executor import why_not_native
from minisgd.backend.cpu.views import root

needs_native = pytest.mark.skipif(why_not_native() is not None, reason=f"no native executor: {why_not_native()}")


class PlainOps(NumpyOps):
    """Records programs that NumPy replays, whatever the environment chooses."""

    def new_program(self) -> Program:
        return Program()


def executed(calls: Sequence[Call], times: int = 2) -> list[str]:
    """Execute calls by NumPy and natively, from the same memory; assert the same bytes; return who executed each."""
    from minisgd.backend.cpu.native.program import NativeProgram

    buffers = {id(root(a)): root(a) for call in calls for a in (*call.reads, call.out) if isinstance(a, np.ndarray)}
    before = {key: np.array(a) for key, a in buffers.items()}
    plain, native = Program(), NativeProgram()
    for call in calls:
        plain.append(call)
        native.append(call)
    outcomes = []
    with np.errstate(all="ignore"):
        for program in (plain, native):
            for key, values in before.items():
                if buffers[key].flags.writeable:
                    buffers[key][...] = values
            program.replay(times)
            outcomes.append({key: _bits(a) for key, a in buffers.items()})
    for key, buffer in buffers.items():
        assert outcomes[0][key] == outcomes[1][key], f"another result in an array of {buffer.shape} {buffer.dtype}"
    return native.executors()


def _bits(a: np.ndarray) -> bytes:
    """Return the bytes of an array, all NaNs alike: which of two comes through an addition is left to the compiler."""
    if a.dtype.kind == "f":
        a = np.where(np.isnan(a), a.dtype.type(np.nan), a)
    return a.tobytes()


def executed_one(function: Any, *args: Any, reads: Sequence[Any] = (), out: Any) -> str:
    """Execute one call twice in a row by both; return who executed it natively."""
    (executor,) = executed([Call(function, args, "", tuple(reads), out, "", "")])
    return executor
