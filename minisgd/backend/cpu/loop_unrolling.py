"""Blocks of a loop are translates of one another: from two that were recorded follow the calls of all the others.

The second body of a loop and the third make the same calls on arrays that lie a block further. So the fourth lies
another block further, and need not be recorded. (The first may differ: it begins a sum that the others continue.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from minisgd.backend.cpu.views import address, root, strided
from minisgd.backend.program import Call, Program, Translates
from minisgd.typing import HostArray


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
        for a, b in zip(first, second, strict=True):
            _later(a, b, 1)
    except _Different:
        return 0
    last = second[-1].block
    assert last is not None
    program.extend(Translates((first, second), _later, last, count))
    return count


def _later(a: Call, b: Call, k: int) -> Call:
    """Return the call that follows two of successive blocks, k blocks later."""
    if b.block is None or (a.op, a.phase, a.layer) != (b.op, b.phase, b.layer):
        raise _Different
    loop, block = b.block
    function, args, reads, out = _follow((a.function, a.args, a.reads, a.out), (b.function, b.args, b.reads, b.out), k)
    return Call(function, args, b.op, reads, out, b.phase, b.layer, (loop, block + k))


def _follow(a: Any, b: Any, k: int) -> Any:
    """Return what follows an argument: a moved array, a tuple of such, or the same again."""
    if isinstance(b, np.ndarray) and isinstance(a, np.ndarray):
        return _moved(a, b, k)
    if isinstance(b, partial) and isinstance(a, partial):
        if a.func is not b.func or a.keywords.keys() != b.keywords.keys():
            raise _Different
        args, values = _follow((a.args, tuple(a.keywords.values())), (b.args, tuple(b.keywords.values())), k)
        return partial(b.func, *args, **dict(zip(b.keywords, values, strict=True)))
    if type(a) is not type(b):
        raise _Different
    if isinstance(b, tuple | list):
        if len(a) != len(b):
            raise _Different
        return type(b)([_follow(x, y, k) for x, y in zip(a, b, strict=True)])
    if a is not b and a != b:
        raise _Different
    return b


def _moved(a: HostArray, b: HostArray, k: int) -> HostArray:
    memory = root(b)
    if a.shape != b.shape or a.strides != b.strides or a.dtype != b.dtype or root(a) is not memory:
        raise _Different
    step = address(b) - address(a)
    if not step:
        return b
    if not isinstance(memory, np.ndarray) or not memory.flags.c_contiguous:
        raise _Different
    return strided(b, b.shape, b.strides, k * step)
