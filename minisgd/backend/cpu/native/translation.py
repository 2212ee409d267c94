"""From the calls of a recorded program to those of the native executor: what each does, on which memory.

A call is translated only where its result is known to have the bits that NumPy gives it; any other stays a call
through Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import prod
from operator import setitem
from typing import Any

import numpy as np
from numpy.lib import NumpyVersion

from minisgd.backend.cpu.erf import coefficients_of, erf_into
from minisgd.backend.cpu.native.calls import Native, ThroughPython
from minisgd.backend.cpu.native.conditions import (
    Unknown,
    contiguous_from,
    meet,
    require,
    require_casts,
    require_plain,
    require_safe,
    require_vectorized,
    same,
)
from minisgd.backend.cpu.native.walk import Strides, Walk, walk
from minisgd.backend.cpu.products import Pieces, multiply_padded, multiply_pieces, pieces
from minisgd.backend.cpu.rowwise import repeat_and_compute
from minisgd.backend.cpu.scatter import add_rows_into
from minisgd.backend.program import Call
from minisgd.typing import HostArray, Shape

MOST_AXES = 8
"""As many as the executor walks."""

CORE_AXES: dict[Any, tuple[int, int, int]] = {np.matmul: (2, 2, 2), np.vecdot: (1, 1, 0)}
"""How many axes of each argument belong to the loop of a generalized ufunc."""

SMALLEST_BUFFER = 2048
"""Elements that NumPy converts at a time, at least, and the executor exactly."""

BUFFERED_SUMS = NumpyVersion(np.__version__) < "2.3.0"
"""Whether NumPy adds up a buffer at a time even where there is nothing to convert."""


def translate(call: Call) -> list[Native | ThroughPython]:
    """Return what the executor runs in place of a call; nothing where there is nothing to do."""
    try:
        return list(_function(call.function, call.args))
    except (Unknown, ValueError):  # shapes that do not fit raise when NumPy is called
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
    elif function is setitem and isinstance(args[1], np.ndarray):
        yield _scattered("put_rows", args[2], args[1], args[0])
    elif function is add_rows_into:
        yield from _add_rows(args[0], args[1], *args[-2:])
    elif function is erf_into:
        yield from _erf(*args)
    elif function is multiply_pieces:
        for piece in pieces(*args):
            yield _pieces(piece)
    elif function is multiply_padded:
        yield from _outer(*args)
    elif function is repeat_and_compute:
        (to, row), compute, operands, out = args
        yield from _function(np.copyto, (to, row))
        yield from _function(compute, (*operands, out))
    else:
        raise Unknown


# ------------------------------------------------ kinds of calls


def _elementwise(ufunc: np.ufunc, *arrays: HostArray) -> Iterator[Native]:
    *reads, out = arrays
    require_plain(arrays, out)
    if not out.size:
        return
    try:
        dtypes = ufunc.resolve_dtypes(tuple(a.dtype for a in arrays), casting="same_kind")
    except TypeError:
        raise Unknown from None
    require_safe(ufunc, dtypes)
    require_casts(*((a.dtype, dtype) for a, dtype in zip(reads, dtypes, strict=False)), (dtypes[-1], out.dtype))
    require_vectorized(ufunc, arrays, out)
    views = [_broadcast(a, out.shape) for a in reads]
    # where memory overlaps in any other way, NumPy reads a copy
    require(all(same(view, out) or not meet(a, out) for a, view in zip(reads, views, strict=True)))
    yield _native(ufunc, arrays, _walk(out.shape, *views, out), (_numbers(*dtypes), (), ()))


def _generalized(ufunc: np.ufunc, *arrays: HostArray) -> Iterator[Native]:
    """Matrix products and inner products: the last axes belong to the loop, those before are walked."""
    *reads, out = arrays
    require_plain(arrays, out)
    require(ufunc in CORE_AXES, len({a.dtype for a in arrays}) == 1, not any(meet(a, out) for a in reads))
    core = CORE_AXES[ufunc]
    require(all(a.ndim >= n and a.size for a, n in zip(arrays, core, strict=True)))
    require_safe(ufunc, [out.dtype])
    own = [a.shape[a.ndim - n :] for a, n in zip(arrays, core, strict=True)]
    dims = (own[0][0], own[0][1], own[1][-1]) if ufunc is np.matmul else own[0]
    require(own[0][-1] == own[1][0], own[2] == (dims[::2] if ufunc is np.matmul else ()))
    lead = out.shape[: out.ndim - core[2]]
    views = [_broadcast(a, lead + last) for a, last in zip(arrays, own, strict=True)]
    steps = [v.strides[len(lead) :] for v in views]
    spans = tuple(_span(n, s, a.itemsize) for n, s, a in zip(own, steps, arrays, strict=True))
    outer = walk(lead, tuple(v.strides[: len(lead)] for v in views))
    yield _native(ufunc, arrays, outer, (_numbers(*(a.dtype for a in arrays)), dims, sum(steps, ())), spans)


def _pieces(piece: Pieces) -> Native:
    """Pieces of a product as one walk from each to the one below; an outermost axis of 1 keeps it out of chains."""
    (first,) = _generalized(np.matmul, *piece.at(0))
    steps = [0 if k == 1 else piece.rows * a.strides[-2] for k, a in enumerate(piece.operands)]
    strides = tuple((0, *own, step) for own, step in zip(first.walk.strides, steps, strict=True))
    path = Walk((1, *first.walk.shape, len(piece)), strides)
    require(len(path.shape) <= MOST_AXES)
    return first._replace(arrays=piece.operands, walk=path)


def _outer(a: Any, b: Any, tall: Any, wide: Any, out: Any) -> Iterator[Native]:
    """Row by row: a sum of one product and 0 is the one of the padded product."""
    rows_are_contiguous = contiguous_from(b, b.ndim - 1) and contiguous_from(out, out.ndim - 1)
    if out.dtype.kind != "f" or not rows_are_contiguous or meet(a, out) or meet(b, out):
        yield from _copy(a, tall[..., :1])
        yield from _copy(b, wide[..., :1, :])
        yield from _generalized(np.matmul, tall, wide, out)
        return
    require_plain((a, b, out), out)
    require(out.itemsize in (4, 8), a.dtype == b.dtype == out.dtype, out.size > 0)
    a, b = _broadcast(a[..., 0], out.shape[:-1]), _broadcast(b, out.shape)
    n, size = out.shape[-1], out.itemsize
    spans = (0, size), (0, n * size), (0, n * size)
    rows = walk(out.shape[:-1], (a.strides, b.strides[:-1], out.strides[:-1]))
    yield _native("outer", (a, b, out), rows, (n,), spans)


def _reduce(ufunc: np.ufunc, a: Any, axis: Any, dtype: Any, out: Any, keepdims: bool) -> Iterator[Native]:
    """The loop adds to an output that stands still along the axes, after a first value was put there.

    A sum begins with 0, a maximum with the first elements.
    """
    require_plain((a, out), out)
    require(dtype is None, a.size > 0, not meet(a, out), min(a.strides, default=0) >= 0)
    if a.dtype != out.dtype or BUFFERED_SUMS:
        require(out.dtype in (a.dtype, np.float64), a.size <= SMALLEST_BUFFER)
    require_safe(ufunc, [out.dtype])
    require_casts((a.dtype, out.dtype))
    axes = tuple(k % a.ndim for k in (axis if isinstance(axis, tuple) else (axis,)))
    kept, rest = out if keepdims else np.expand_dims(out, axes), a
    require(kept.shape == tuple(1 if k in axes else n for k, n in enumerate(a.shape)))
    if ufunc is np.add:
        yield from _copy(np.zeros((), out.dtype), out)
    else:
        require(ufunc is np.maximum, len(axes) == 1)
        first, rest = np.split(a, [1], axes[0])
        yield from _copy(first, kept)
    if rest.size:
        standing = _broadcast(kept, rest.shape)
        path = _walk(rest.shape, standing, rest, standing)
        yield _native(ufunc, (kept, rest, kept), path, (_numbers(*[out.dtype] * 3), (), ()))


def _copy(source: Any, out: Any) -> Iterator[Native]:
    require_plain((source, out), out)
    require(not meet(source, out))
    require_casts((source.dtype, out.dtype))
    if out.size:
        path = _walk(out.shape, _broadcast(source, out.shape), out)
        yield _native("copy", (source, out), path.with_long_loops(), ())


def _take(source: HostArray, index: Any, axis: int, out: HostArray) -> Iterator[Native]:
    """Rows, from whichever axis on: contiguous in the source and in the output."""
    require_plain((source, index, out), out)
    lead, row, many = source.shape[:axis], source.shape[axis + 1 :], axis + index.ndim
    require(index.dtype == np.int64, source.dtype == out.dtype, out.shape == lead + index.shape + row)
    require(source.size > 0, out.size > 0, not meet(index, out), not meet(source, out))
    require(source.flags.c_contiguous, contiguous_from(out, many))
    rows, size = source.shape[axis], prod(row) * source.itemsize
    strides = (source.strides[:axis] + (0,) * index.ndim, (0,) * axis + index.strides, out.strides[:many])
    spans = ((0, rows * size), (0, index.itemsize), (0, size))
    yield _native("take", (source, index, out), walk(out.shape[:many], strides), (rows, size), spans)


def _add_rows(a: Any, index: Any, out: HostArray, cleared: bool) -> Iterator[Native]:
    """Rows of zeros, all or those that the index names, then the rows of a added to these, one after the other."""
    require(a.dtype.kind == "f", a.itemsize in (4, 8))
    added = _scattered("add_rows", a, index, out)
    if cleared:
        yield _scattered("put_rows", np.broadcast_to(np.zeros(a.shape[1], a.dtype), a.shape), index, out)
    else:
        yield from _copy(np.zeros((), out.dtype), out)
    yield added


def _scattered(kind: str, rows: Any, index: Any, out: Any) -> Native:
    """Rows (N, C) that go to rows of out (V, C)."""
    require_plain((rows, index), out)
    require(rows.ndim == out.ndim == 2, index.ndim == 1, index.dtype == np.int64, rows.dtype == out.dtype)
    require(rows.size > 0, rows.shape == (len(index), out.shape[1]), not meet(index, out), not meet(rows, out))
    require(out.flags.c_contiguous, contiguous_from(rows, 1))
    size = out.shape[1] * out.itemsize
    path = walk((len(rows),), (rows.strides[:1], index.strides, (0,)))
    return _native(kind, (rows, index, out), path, (len(out), size), ((0, size), (0, index.itemsize), (0, out.nbytes)))


def _erf(a: Any, out: Any) -> Iterator[Native]:
    require_plain((a, out), out)
    require(a.dtype == out.dtype, a.dtype.kind == "f", a.itemsize in (4, 8), a.size > 0)
    view = _broadcast(a, out.shape)
    require(same(view, out) or not meet(a, out))
    coefficients = np.array(coefficients_of(a.dtype)[::-1], a.dtype)
    path = _walk(out.shape, np.broadcast_to(coefficients[0], out.shape), view, out)
    require(all(steps[-1] == a.itemsize for steps in path.strides[1:]))
    spans = ((0, coefficients.nbytes), (0, a.itemsize), (0, a.itemsize))
    yield _native("erf", (coefficients, a, out), path, (len(coefficients),), spans)


def _argmax(a: Any, axis: int, out: Any) -> Iterator[Native]:
    require_plain((a, out), out)
    require(a.dtype.kind == "f", a.itemsize in (4, 8), out.dtype == np.intp, a.size > 0, not meet(a, out))
    first, step, n = np.moveaxis(a, axis, 0)[0, ...], a.strides[axis], a.shape[axis]
    require(first.shape == out.shape)
    spans = _span((n,), (step,), a.itemsize), (0, out.itemsize)
    yield _native("argmax", (a, out), _walk(out.shape, first, out), (n, step), spans)


# ------------------------------------------------ what they share


def _native(kind: Any, arrays: tuple[HostArray, ...], path: Walk, more: tuple[Any, ...], spans: Any = None) -> Native:
    require(len(path.shape) <= MOST_AXES)
    return Native(kind, arrays, path, more, spans or tuple((0, a.itemsize) for a in arrays))


def _broadcast(a: HostArray, shape: Shape) -> HostArray:
    return a if a.shape == shape else np.broadcast_to(a, shape)


def _walk(shape: Shape, *views: HostArray) -> Walk:
    return walk(shape, tuple(view.strides for view in views))


def _numbers(*dtypes: Any) -> tuple[int, ...]:
    return tuple(dtype.num for dtype in dtypes)


def _span(shape: Shape, strides: Strides, itemsize: int) -> tuple[int, int]:
    far = [(n - 1) * step for n, step in zip(shape, strides, strict=True)]
    return sum(step for step in far if step < 0), sum(step for step in far if step > 0) + itemsize
