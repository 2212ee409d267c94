"""Blocks of a loop are translates of one another: from two that were recorded follow the calls of all the others.

The second body of a loop and the third make the same calls on arrays that lie a block further. So the fourth lies
another block further, and need not be recorded. (The first may differ: it begins a sum that the others continue.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from minisgd.backend.program import Call, Program, Translates

Follow: TypeAlias = Callable[[int], Any]
"""What stands in the place of a thing some blocks later."""


class _Different(Exception):
    """Two blocks do something else."""


def append_translates(program: Program, begins: Sequence[int], count: int) -> int:
    """Append the next blocks of a loop; return how many: ``count``, or none where the last two are no translates.

    begins: where in the program the calls of the first three blocks begin
    """
    first, second = ([program.calls[k] for k in range(*ends)] for ends in (begins[1:], (begins[2], len(program))))
    if count < 1 or not second or len(first) != len(second):
        return 0
    try:
        follow = [_call(a, b) for a, b in zip(first, second, strict=True)]
    except _Different:
        return 0
    last = second[-1].block
    assert last is not None
    program.extend(Translates(follow, last, count))
    return count


def _call(a: Call, b: Call) -> Callable[[int], Call]:
    if b.block is None or (a.op, a.phase, a.layer) != (b.op, b.phase, b.layer):
        raise _Different
    follow = _follow_argument((a.function, a.args, a.reads, a.out), (b.function, b.args, b.reads, b.out))
    op, phase, layer, (loop, block) = b.op, b.phase, b.layer, b.block

    def later(k: int) -> Call:
        function, args, reads, out = follow(k)
        return Call(function, args, op, reads, out, phase, layer, (loop, block + k))

    return later


def _follow_argument(a: Any, b: Any) -> Follow:
    """Return what follows an argument: a moved array, a tuple of such, or the same again."""
    if isinstance(b, np.ndarray) and isinstance(a, np.ndarray):
        return _array(a, b)
    if isinstance(b, partial) and isinstance(a, partial):
        if a.func is not b.func or a.keywords.keys() != b.keywords.keys():
            raise _Different
        names, func = tuple(b.keywords), b.func
        values = _follow_argument((a.args, *a.keywords.values()), (b.args, *b.keywords.values()))

        def later(k: int) -> Any:
            args, *keywords = values(k)
            return partial(func, *args, **dict(zip(names, keywords, strict=True)))

        return later
    if type(a) is not type(b):
        raise _Different
    if isinstance(b, tuple | list):
        if len(a) != len(b):
            raise _Different
        each, kind = [_follow_argument(x, y) for x, y in zip(a, b, strict=True)], type(b)
        return lambda k: kind([follow(k) for follow in each])
    if a is not b and a != b:
        raise _Different
    return lambda k: b


def _array(a: np.ndarray, b: np.ndarray) -> Follow:
    if a.shape != b.shape or a.strides != b.strides or a.dtype != b.dtype or root(a) is not root(b):
        raise _Different
    memory, step = root(b), _address(b) - _address(a)
    if not step:
        return lambda k: b
    if not isinstance(memory, np.ndarray) or not memory.flags.c_contiguous:
        raise _Different
    start = _address(b) - _address(memory)
    shape, strides, dtype = b.shape, b.strides, b.dtype
    return lambda k: np.ndarray(shape, dtype, memory, start + k * step, strides)


def root(array: Any) -> Any:
    """Return what owns the memory that an array is a view of."""
    while (base := getattr(array, "base", None)) is not None:
        array = base
    return array


def _address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])
