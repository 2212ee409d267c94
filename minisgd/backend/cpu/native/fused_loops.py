"""Fused loops: consecutive elementwise calls for which the executor has a single loop.

An update such as v ← μ v + g, w ← w − lr v is four calls, which read and write ten vectors. As one loop it reads three
and writes two. What the loops do, and in which order, is written once, in ``fused_loops.h``; here their assignments are
compared with those of a program.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from minisgd.backend.cpu.native._executor import fused_loops as listed
from minisgd.backend.cpu.native.calls import Native, Translated
from minisgd.backend.cpu.native.conditions import meet, same, within
from minisgd.backend.cpu.native.walk import Strides, Walk
from minisgd.backend.cpu.views import address
from minisgd.typing import HostArray

UFUNCS = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "root": np.sqrt}


class Assignment(NamedTuple):
    """ufunc(operands) → result; the names stand for arrays."""

    ufunc: Any
    names: tuple[str, ...]
    """Operands, then the result."""


class FusedLoop(NamedTuple):
    """What a loop of the executor does.

    names: of its arguments in their order, the intermediate result s last   numbers: how many of them, the first, stay
    the same along the loop   outputs: how many, the last, it writes, s included
    """

    kind: str
    names: str
    numbers: int
    outputs: int
    assignments: tuple[Assignment, ...]


@cache
def table() -> tuple[FusedLoop, ...]:
    """Return all fused loops, those of most calls first."""
    rows = []
    for kind, arguments, text in listed():
        roles = re.findall(r"(\w+)\(\d, (\w)\)", arguments)
        names, count = "".join(name for _, name in roles), [role for role, _ in roles].count
        assignments = tuple(map(_assignment, text.replace("[i]", "").split("; ")))
        rows.append(FusedLoop(kind, names + "s", count("NUMBER"), count("WRITE") + 1, assignments))
    return tuple(sorted(rows, key=lambda loop: -len(loop.assignments)))


def _assignment(text: str) -> Assignment:
    result, value = text.split(" = ")
    operation = next(sign for sign in UFUNCS if sign in value)
    operands = re.findall(r"\b\w\b", value)
    square = operation == "*" and operands[0] == operands[1]
    return Assignment(np.square if square else UFUNCS[operation], (*operands[: 1 if square else None], result))


# ------------------------------------------------ finding them in a program


def fuse(calls: Sequence[Translated]) -> list[Translated]:
    """Return the calls, in the order in which they run, those for which there is a fused loop as one."""
    found: list[Translated] = []
    k = 0
    while k < len(calls):
        n, call = _fused_at(calls, k)
        found.append(call)
        k += n
    return found


def _fused_at(calls: Sequence[Translated], k: int) -> tuple[int, Translated]:
    """Return how many calls from the k-th on are one, and that one."""
    for loop in table():
        some = [call for call in calls[k : k + len(loop.assignments)] if isinstance(call, Native)]
        if [call.kind for call in some] == [a.ufunc for a in loop.assignments]:
            fused = _fused(loop, some)
            if fused is not None:
                return len(some), fused
    return 1, calls[k]


def _fused(loop: FusedLoop, calls: Sequence[Native]) -> Native | None:
    """Return the calls as one, or None where the arrays are others than the loop names, or share memory."""
    stands_for: dict[str, tuple[HostArray, Strides]] = {}
    shape = max((call.walk.shape for call in calls), key=len)
    dtype = calls[0].arrays[-1].dtype
    for call, assignment in zip(calls, loop.assignments, strict=True):
        walk = call.walk.unfolded(shape)
        if walk is None:
            return None
        for name, array, steps in zip(assignment.names, call.arrays, walk.strides, strict=True):
            known, known_steps = stands_for.setdefault(name, (array, steps))
            if address(known) != address(array) or steps != known_steps or array.dtype != dtype:
                return None
    arrays = tuple(stands_for[name][0] for name in loop.names)
    strides = tuple(stands_for[name][1] for name in loop.names)
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        return None
    if any(s[-1] != (0 if k < loop.numbers else dtype.itemsize) for k, s in enumerate(strides)):
        return None
    first_output = len(arrays) - loop.outputs
    if any(j >= first_output and meet(a, b) for (_, a), (j, b) in combinations(enumerate(arrays), 2)):
        return None
    spans = tuple((0, dtype.itemsize) for _ in arrays)
    return Native(loop.kind, arrays, Walk(shape, strides), (), spans, loop.outputs)


# ------------------------------------------------ intermediate results


def is_fused(call: Translated) -> TypeGuard[Native]:
    """Tell whether a call is a fused loop."""
    return isinstance(call, Native) and any(call.kind == loop.kind for loop in table())


def without_unread(calls: Sequence[Translated], temporaries: Sequence[HostArray]) -> list[Translated]:
    """Return the calls, fused loops without the array for their intermediate result where nobody reads it.

    Args:
        calls: In the order in which they run.
        temporaries: Arrays that nobody reads after the last call.
    """
    found = list(calls)
    for k, call in enumerate(calls):
        if is_fused(call):
            s = call.arrays[-1]
            if any(within(s, a) for a in temporaries) and not _is_read(s, calls[k + 1 :]):
                found[k] = call.without_last()
    return found


def _is_read(array: HostArray, calls: Sequence[Translated]) -> bool:
    """Tell whether calls read an array before they write all of it; one through Python may."""
    for call in calls:
        if not isinstance(call, Native) or any(meet(array, a) for a in call.arrays[: -call.outputs]):
            return True
        if any(same(array, a) for a in call.arrays[-call.outputs :] if a.shape == array.shape):
            return False
    return False
