"""Whether the executor gives NumPy's bits here: tried once, before it is trusted.

It reads NumPy's public ufunc structure and walks arrays in the order in which this version of NumPy is known to walk
them. Should a later version do otherwise, this finds out, and programs are replayed by NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minisgd.backend.cpu.native.program import NativeProgram
from minisgd.backend.program import Call, Program


def failure() -> str | None:
    """Run every kind of call by NumPy and natively; return what is wrong, None where the bits are equal."""
    outcomes = []
    try:
        for program in (Program(), NativeProgram()):
            written = _record(program)
            program.replay(2)
            outcomes.append([array.tobytes() for array in written])
    except Exception as error:  # a reason not to use it, whatever it is
        return f"the self-test ended with {error!r}"
    if set(program.executors()) != {"native"}:
        return "the self-test met calls that do not run natively"
    return None if outcomes[0] == outcomes[1] else "the self-test gave other bits than NumPy"


def _record(program: Program) -> list[np.ndarray]:
    """Append calls on new arrays; return those that they write."""
    x = np.sin(np.arange(31 * 53, dtype=np.float32)).reshape(31, 53)
    w = np.cos(np.arange(53 * 29, dtype=np.float32)).reshape(29, 53).T
    y, total, mask = np.zeros((31, 29), np.float32), np.zeros((2, 31, 1), np.float32), np.zeros((31, 29), bool)
    column, best, wide = np.zeros((1, 29), np.float32), np.zeros(31, np.int64), np.zeros((29, 31))
    order = np.arange(30, -1, -1)
    rows, written = np.zeros_like(x), []

    def add(function: Callable[..., Any], *args: Any) -> None:
        out = next(a for a in reversed(args) if isinstance(a, np.ndarray))
        program.append(Call(function, args, "", (), out, "", ""))

    add(x.take, order, 0, rows, "clip")
    add(np.matmul, rows, w, y)
    add(np.maximum.reduce, y, 0, None, column, True)
    add(np.subtract, y, column, y)
    add(np.exp, y, y)
    add(np.add.reduce, np.broadcast_to(y, (2, 31, 29)), -1, None, total, True)
    add(np.divide, y, total[1], y)
    add(np.greater, y, column, mask)
    add(np.multiply, y, mask, y)
    add(np.add.reduce, y, (0, 1), None, column[:, :1], True)
    add(np.copyto, wide, y.T)
    add(np.add, wide, y.T, wide)
    add(np.argmax, y, -1, best)
    decay = np.array(0.9, np.float32)
    for rate in (decay, total[0]):  # products and sums run by one loop, but rounded one by one
        v, w, s = np.sin(x), np.cos(x), np.zeros_like(x)
        add(np.multiply, v, decay, v)
        add(np.add, v, x, v)
        add(np.multiply, v, rate, s)
        add(np.subtract, w, s, w)
        written += [v, w, s]
    return [rows, y, total, mask, column, best, wide, *written]
