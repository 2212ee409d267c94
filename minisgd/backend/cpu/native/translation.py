"""From the calls of a recorded program to those of the native executor: what each does, on which memory.

A call is translated only where its result is known to have the bits that NumPy gives it; any other stays a call
through Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds

from minisgd.backend.cpu.native._executor import has_cast
from minisgd.backend.cpu.native.walk import Strides, Walk, walk
from minisgd.backend.cpu.products import multiply_pieces
from minisgd.backend.cpu.rowwise import repeat_and_compute
from minisgd.backend.program import Call
from minisgd.typing import HostArray, Shape

MOST_AXES = 8
"""As many as the executor walks."""

INTEGER_SAFE = {"add", "subtract", "multiply", "equal", "greater", "greater_equal", "maximum", "minimum", "negative"}
"""Ufuncs whose integer loops cannot fail; of others, ``power`` for one, only those of floats are taken."""

EXACT = INTEGER_SAFE | {"divide", "sqrt", "square", "absolute", "sign"}
"""Ufuncs whose results are rounded correctly, by whichever instructions NumPy computes them."""

CORE_AXES: dict[Any, tuple[int, ...]] = {np.matmul: (2, 2, 2), np.vecdot: (1, 1, 0)}
"""How many axes of each argument belong to the loop of a generalized ufunc."""

SMALLEST_BUFFER = 2048
"""Elements that NumPy converts at a time, at least, and the executor exactly."""


class Native(NamedTuple):
    """A call that the executor runs itself: a loop over arrays, the last of which it writes.

    kind: a ufunc, or "copy", "take" or "argmax"   more: what the executor reads after arrays and walk
    spans: bytes that each array takes up at one position, from its first to behind its last
    indivisible: the outermost axis has to stay in one piece
    """

    kind: Any
    arrays: tuple[HostArray, ...]
    walk: Walk
    more: tuple[Any, ...]
    spans: tuple[tuple[int, int], ...]
    indivisible: bool = False

    def described(self) -> tuple[Any, ...]:
        """Return the call as the executor takes it."""
        return (self.kind, self.arrays, *self.walk, *self.more)


class ThroughPython(NamedTuple):
    """A call that the executor hands to the interpreter."""

    function: Callable[..., Any]
    args: tuple[Any, ...]

    def described(self) -> tuple[Any, ...]:
        """Return the call as the executor takes it."""
        return tuple(self)


def describe_input(table: HostArray, array: HostArray) -> tuple[Any, ...]:
    """Return the copy of a table's rows to an array as the executor takes it: one row before each replay."""
    return ("copy", (table, array), table.shape, (table.strides, (0, *array.strides)))


class _Unknown(Exception):
    """The executor does not know this call, or not with these arrays."""


def translate(call: Call) -> list[Native | ThroughPython]:
    """Return what the executor runs in place of a call; nothing where there is nothing to do."""
    try:
        return list(_function(call.function, call.args))
    except _Unknown:
        return [ThroughPython(call.function, call.args)]


def _function(function: Any, args: tuple[Any, ...]) -> Iterator[Native]:
    if isinstance(function, partial) and set(function.keywords) == {"out"} and not function.args:
        function, args = function.func, (*args, function.keywords["out"])
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    if isinstance(function, np.ufunc) and len(args) == function.nargs:
        yield from (_generalized if function.signature else _elementwise)(function, *args)
    elif isinstance(owner, np.ufunc) and name == "reduce" and len(args) == 5:
        yield from _reduce(owner, *args)
    elif function is np.copyto:
        yield from _copy(args[1], args[0])
    elif isinstance(owner, np.ndarray) and name == "take" and len(args) == 4 and args[3] == "clip":
        yield from _take(owner, *args[:3])
    elif function is np.argmax and len(args) == 3:
        yield from _argmax(*args)
    elif function is multiply_pieces:
        for piece in args[0]:
            yield from _function(np.matmul, piece)
    elif function is repeat_and_compute:
        (to, row), compute, operands, out = args
        yield from _function(np.copyto, (to, row))
        yield from _function(compute, (*operands, out))
    else:
        raise _Unknown


# ------------------------------------------------ kinds of calls


def _elementwise(ufunc: np.ufunc, *arrays: HostArray) -> Iterator[Native]:
    *reads, out = arrays
    _require(arrays, out)
    if not out.size:
        return
    try:
        dtypes = ufunc.resolve_dtypes(tuple(a.dtype for a in arrays), casting="same_kind")
    except TypeError:
        raise _Unknown from None
    _require_safe(ufunc, dtypes)
    _require_casts(*((a.dtype, dtype) for a, dtype in zip(reads, dtypes, strict=False)), (dtypes[-1], out.dtype))
    views = [np.broadcast_to(a, out.shape) for a in reads]
    if any(_meet(a, out) and not _same(view, out) for a, view in zip(reads, views, strict=True)):
        raise _Unknown  # NumPy reads a copy
    if ufunc.__name__ not in EXACT:
        _require_vectorized(arrays, out)
    yield _native(ufunc, arrays, _walk(out.shape, [*views, out]), (_numbers(dtypes), (), ()))


def _generalized(ufunc: np.ufunc, *arrays: HostArray) -> Iterator[Native]:
    """Matrix products and inner products: the last axes belong to the loop, those before are walked."""
    *reads, out = arrays
    _require(arrays, out)
    core = CORE_AXES.get(ufunc)
    if core is None or len({a.dtype for a in arrays}) > 1 or any(_meet(a, out) for a in reads):
        raise _Unknown
    if any(a.ndim < n for a, n in zip(arrays, core, strict=True)) or not all(a.size for a in arrays):
        raise _Unknown
    _require_safe(ufunc, [out.dtype])
    lead = out.shape[: out.ndim - core[2]]
    own = [a.shape[a.ndim - n :] for a, n in zip(arrays, core, strict=True)]
    views = [np.broadcast_to(a, lead + last) for a, last in zip(arrays, own, strict=True)]
    steps = [v.strides[len(lead) :] for v in views]
    dims = (own[0][0], own[0][1], own[1][1]) if ufunc is np.matmul else own[0]
    spans = tuple(_span(n, s, a.itemsize) for n, s, a in zip(own, steps, arrays, strict=True))
    outer = walk(lead, [v.strides[: len(lead)] for v in views])
    yield _native(ufunc, arrays, outer, (_numbers([a.dtype for a in arrays]), dims, sum(steps, ())), spans)


def _reduce(ufunc: np.ufunc, a: Any, axis: Any, dtype: Any, out: Any, keepdims: bool) -> Iterator[Native]:
    """The loop adds to an output that stands still along the axes, after a first value was put there.

    A sum begins with 0, a maximum with the first elements.
    """
    _require((a, out), out)
    if dtype is not None or not a.size or _meet(a, out):
        raise _Unknown
    if a.dtype != out.dtype and (out.dtype != np.float64 or a.size > SMALLEST_BUFFER):
        raise _Unknown  # NumPy adds up a buffer of converted numbers at a time
    _require_safe(ufunc, [out.dtype])
    _require_casts((a.dtype, out.dtype))
    axes = {k % a.ndim for k in (axis if isinstance(axis, tuple) else (axis,))}
    kept = out if keepdims else np.expand_dims(out, tuple(axes))
    rest = a
    if ufunc is np.add:
        yield from _copy(np.zeros((), out.dtype), out)
    elif ufunc is np.maximum and len(axes) == 1:
        (only,) = axes
        first, rest = np.split(a, [1], only)
        yield from _copy(first, kept)
    else:
        raise _Unknown
    if not rest.size:
        return
    standing = np.broadcast_to(kept, rest.shape)
    path = _walk(rest.shape, [standing, rest, standing])
    yield _native(ufunc, (kept, rest, kept), path, (_numbers([out.dtype] * 3), (), ()))


def _copy(source: Any, out: Any) -> Iterator[Native]:
    _require((source, out), out)
    if not out.size:
        return
    view = np.broadcast_to(source, out.shape)
    if _meet(source, out):
        raise _Unknown
    _require_casts((source.dtype, out.dtype))
    yield _native("copy", (source, out), _walk(out.shape, [view, out]).with_long_loops(), ())


def _take(source: HostArray, index: Any, axis: int, out: HostArray) -> Iterator[Native]:
    """Rows, from whichever axis on: contiguous in the source and in the output."""
    _require((source, index, out), out)
    lead, shape, many = source.shape[:axis], source.shape[axis + 1 :], axis + index.ndim
    if index.dtype != np.int64 or source.dtype != out.dtype or out.shape != lead + index.shape + shape:
        raise _Unknown
    if not source.size or not out.size or _meet(index, out) or _meet(source, out):
        raise _Unknown
    if not source.flags.c_contiguous or not _contiguous_from(out, many):
        raise _Unknown
    rows, size = source.shape[axis], prod(shape) * source.itemsize
    strides = (source.strides[:axis] + (0,) * index.ndim, (0,) * axis + index.strides, out.strides[:many])
    yield _native(
        "take",
        (source, index, out),
        walk(out.shape[:many], strides),
        (rows, size),
        ((0, rows * size), (0, 8), (0, size)),
    )


def _argmax(a: Any, axis: int, out: Any) -> Iterator[Native]:
    _require((a, out), out)
    if a.dtype.kind != "f" or out.dtype != np.intp or not a.size or _meet(a, out):
        raise _Unknown
    first, step, n = np.moveaxis(a, axis, 0)[0, ...], a.strides[axis], a.shape[axis]
    if first.shape != out.shape:
        raise _Unknown
    spans = _span((n,), (step,), a.itemsize), (0, out.itemsize)
    yield _native("argmax", (a, out), _walk(out.shape, [first, out]), (n, step), spans)


# ------------------------------------------------ what they share


def _native(kind: Any, arrays: tuple[HostArray, ...], path: Walk, more: tuple[Any, ...], spans: Any = None) -> Native:
    if len(path.shape) > MOST_AXES:
        raise _Unknown
    # a sum along one axis is taken in halves of halves, which pieces of the axis would change
    indivisible = len(path.shape) == 1 and path.strides[-1][0] == 0 and path.shape[0] > 1
    return Native(kind, arrays, path, more, spans or tuple((0, a.itemsize) for a in arrays), indivisible)


def _walk(shape: Shape, views: list[HostArray]) -> Walk:
    return walk(shape, [view.strides for view in views])


def _numbers(dtypes: Any) -> tuple[int, ...]:
    return tuple(dtype.num for dtype in dtypes)


def _span(shape: Shape, strides: Strides, itemsize: int) -> tuple[int, int]:
    far = [(n - 1) * step for n, step in zip(shape, strides, strict=True)]
    return sum(step for step in far if step < 0), sum(step for step in far if step > 0) + itemsize


def _require(arrays: tuple[Any, ...], out: Any) -> None:
    """Refuse what is no plain array of numbers, or could not be written."""
    for a in arrays:
        if type(a) not in (np.ndarray, np.memmap) or not a.flags.aligned or not a.dtype.isnative:
            raise _Unknown
    if not out.flags.writeable:
        raise _Unknown


def _require_safe(ufunc: np.ufunc, dtypes: Any) -> None:
    floats = all(dtype.kind == "b" or (dtype.kind == "f" and dtype.itemsize in (4, 8)) for dtype in dtypes)
    integers = ufunc.__name__ in INTEGER_SAFE and all(dtype.kind in "biu" for dtype in dtypes)
    if not floats and not integers:
        raise _Unknown


def _contiguous_from(a: HostArray, axis: int) -> bool:
    """Tell whether what lies at one position of the axes before is contiguous."""
    step = a.itemsize
    for n, stride in reversed(list(zip(a.shape[axis:], a.strides[axis:], strict=True))):
        if n > 1 and stride != step:
            return False
        step *= n
    return True


def _require_vectorized(arrays: Sequence[HostArray], out: HostArray) -> None:
    """Refuse what NumPy computes by other, less exact instructions, depending on which part of it a loop is given.

    That is with negative strides, and where the output begins right where an operand ends.
    """
    low, high = byte_bounds(out)
    for a in arrays:
        start, end = byte_bounds(a)
        if min(a.strides, default=0) < 0 or start == high or low == end:
            raise _Unknown


def _require_casts(*pairs: tuple[Any, Any]) -> None:
    if not all(a == b or has_cast(a.num, b.num) for a, b in pairs):
        raise _Unknown


def _same(a: HostArray, b: HostArray) -> bool:
    """Tell whether two arrays of one shape have every element at the same place."""
    steps = zip(a.shape, a.strides, b.strides, strict=True)
    return _address(a) == _address(b) and a.dtype == b.dtype and all(n == 1 or s == t for n, s, t in steps)


def _meet(a: HostArray, b: HostArray) -> bool:
    return bool(np.may_share_memory(a, b))


def _address(a: HostArray) -> int:
    return int(a.__array_interface__["data"][0])
