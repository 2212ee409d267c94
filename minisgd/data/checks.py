"""What every array must be before it may become training data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np

from minisgd.errors import DataError, MinisgdError
from minisgd.sparse import SparseRows, is_sparse
from minisgd.typing import HostArray

_CHUNK = 1 << 22  # elements looked at together: a memory-mapped file is never read into memory whole


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Put a file or a split in front of the argument that an error inside names."""
    try:
        yield
    except MinisgdError as error:
        raise type(error)(
            f"{subject}: {error.argument}", expected=error.expected, got=error.got, fix=error.fix
        ) from error


def as_host(array: Any, name: str) -> HostArray:
    """Return an array-like as a numpy array; a memory map stays one.

    Raises:
        DataError: For masked, sparse, ragged and device arrays, whose conversion would lose or hide something.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise DataError(name, expected="a plain array", got="a masked array", fix="fill or drop masked rows")
    if isinstance(array, np.memmap):
        return array
    if hasattr(array, "toarray"):
        raise DataError(name, expected="a dense array", got=f"a sparse {type(array).__name__}", fix="call .toarray()")
    try:
        return np.asarray(array)
    except (TypeError, ValueError, RuntimeError) as error:  # of PyTorch, a tensor that has a gradient
        raise DataError(
            name,
            expected="an array in host memory with rows of equal length",
            got=f"{type(array).__name__} ({error})",
            fix="pass a numpy array",
        ) from error


def without_objects(array: HostArray) -> HostArray:
    """Return an array of objects that are all numbers, or all booleans, as the array that it stands for."""
    if array.dtype.kind != "O" or not array.size:
        return array
    kinds = {type(each) for each in array.ravel()}
    if kinds <= {bool, np.bool_}:
        return array.astype(bool)
    if kinds & {bool, np.bool_} or not all(issubclass(kind, Real) for kind in kinds):
        return array
    whole = all(issubclass(kind, Integral) for kind in kinds)
    return np.array(array.tolist()) if whole else array.astype(np.float64)


def as_features(x: Any) -> HostArray:
    """Return features (N, …) as float32, float64 or uint8, in C order; one that already is so is not copied.

    Sparse matrices become ``SparseRows``. Booleans, other integers and float16 become float32. A memory-mapped array is
    never converted, since that would read the whole file into memory: it is refused. Finite values are Split's check.
    """
    if isinstance(x, SparseRows) or is_sparse(x):
        rows: HostArray = as_sparse(x)
        return rows
    x = as_host(x, "x")
    if x.dtype.kind not in "biuf":
        raise DataError(
            "x", expected="an array of real numbers", got=f"dtype {x.dtype}", fix="encode every feature as a number"
        )
    dtype = x.dtype if x.dtype == np.uint8 else _float_dtype(x.dtype)
    if isinstance(x, np.memmap):
        if x.dtype != dtype or not x.flags.c_contiguous:
            raise DataError(
                "x",
                expected="float32, float64 or uint8 in C order when memory-mapped",
                got=f"{x.dtype.str}, {'C' if x.flags.c_contiguous else 'not C'} order",
                fix=f"convert the file once: np.save(path, np.ascontiguousarray(x, dtype=np.{dtype}))",
            )
        return x
    return np.ascontiguousarray(x, dtype=dtype) if x.ndim else x


def as_sparse(x: Any) -> Any:
    """Return a sparse matrix as rows of float32 or float64."""
    rows = x if isinstance(x, SparseRows) else SparseRows(x)
    return rows.astype(_float_dtype(rows.dtype), copy=False)


def as_weight(weight: Any) -> HostArray:
    """Return per-example weights (N,) as floating point."""
    array = as_host(weight, "weight")
    if array.dtype.kind not in "biuf":
        raise DataError("weight", expected="an array of numbers", got=f"dtype {array.dtype}", fix="pass floats")
    return as_float(array)


def as_images(x: HostArray) -> HostArray:
    """Give grey uint8 images (N, H, W) their channel axis: (N, H, W, 1), a view; anything else stays."""
    return x[..., np.newaxis] if x.dtype == np.uint8 and x.ndim == 3 else x


def as_float(array: HostArray) -> HostArray:
    """Return targets or weights as float32, where they are floats of up to 4 bytes, or else as float64."""
    small = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    return np.asarray(array, dtype=np.float32 if small else np.float64)


def check_finite(array: HostArray, name: str) -> None:
    """Raise DataError naming the first row that holds NaN or infinity; reads in chunks."""
    if array.dtype.kind != "f":
        return
    rows = max(1, _CHUNK // max(1, array[:1].size))
    for start in range(0, len(array), rows):
        finite = np.isfinite(array[start : start + rows])
        if not finite.all():
            bad = int(np.argmin(finite.reshape(len(finite), -1).all(axis=1)))
            values = np.asarray(array[start + bad]).ravel()
            raise DataError(
                name,
                expected="finite everywhere",
                got=f"{values[~np.isfinite(values)][0]} in row {start + bad}",
                fix="remove the row or replace the value (np.isfinite finds them)",
            )


def _float_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of features as floats: float64 where they are, else float32."""
    return np.dtype(np.float64 if dtype.kind == "f" and dtype.itemsize >= 8 else np.float32)
