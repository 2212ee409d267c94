"""CuPy's functions that the package calls, with their own rules where they differ from NumPy's.

An operation with `out=` allocates nothing unless an operand is another view of the result's memory. Reductions
allocate a workspace (CUB), matmul calls cuBLAS: neither can be captured.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erf as _erf
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.cuda.fake_cupy.arrays import (
    Host,
    allocate,
    assign,
    copied,
    given,
    ndarray,
    overlaps,
    refuse_transfer,
    submit,
)
from tests.cuda.fake_cupy.device import DEVICE


class ufunc:  # noqa: N801  (CuPy's name)
    """An elementwise function."""

    def __init__(self, function: Any, *, reduces: bool = False) -> None:
        self.function, self.reduces = function, reduces
        self.__name__ = function.__name__

    def __call__(self, *args: Any, out: ndarray | None = None, casting: Any = "same_kind") -> ndarray:
        nin = self.function.nin
        if len(args) > nin:
            *args, out = args  # type: ignore[assignment]
        operands = [_operand(self.__name__, a) for a in args]
        shapes = [a.shape for a in operands if isinstance(a, ndarray)] + ([] if out is None else [out.shape])
        shape = np.broadcast_shapes(*shapes)
        kinds = tuple(a.dtype if isinstance(a, ndarray | np.generic) else type(a) for a in operands)
        result = self.function.resolve_dtypes((*kinds, None))[-1]
        if out is None:
            out = allocate(shape, result)
        if out.shape != shape:
            raise ValueError(f"{self.__name__}: operands of shape {shape} and an output of shape {out.shape}")
        if not np.can_cast(result, out.dtype, casting):
            raise TypeError(f"{self.__name__}: cannot cast {result} to {out.dtype} by the rule {casting}")
        apart = [copied(a) if isinstance(a, ndarray) and overlaps(a, out) else a for a in operands]
        hosts, target, function = [a.host if isinstance(a, ndarray) else a for a in apart], out.host, self.function
        submit(
            lambda: function(*hosts, out=target, casting=casting), out, *(a for a in apart if isinstance(a, ndarray))
        )
        return out

    def reduce(
        self, array: ndarray, axis: Any = 0, dtype: Any = None, out: ndarray | None = None, keepdims: bool = False
    ) -> ndarray:
        if not self.reduces:
            raise NotImplementedError(f"`cupy.{self.__name__}.reduce` is not supported")
        return reduction(self.function.reduce, array, axis, out, keepdims=keepdims)


def reduction(
    function: Callable[..., Any], a: ndarray, axis: Any, out: ndarray | None, workspace: bool = True, **options: Any
) -> ndarray:
    """Run a NumPy reduction."""
    a = _array(function.__name__, a)
    like = function(np.zeros(a.shape, a.dtype), axis=axis, **options)
    if workspace:
        allocate(like.shape, np.float64)
    if out is None:
        out = allocate(like.shape, like.dtype)
    if out.shape != like.shape:
        raise ValueError(f"{function.__name__}: the result is {like.shape}, the output {out.shape}")
    source, target = a.host, out.host

    def work() -> None:
        target[...] = function(source, axis=axis, **options)

    submit(work, a, out)
    return out


def _operand(name: str, a: Any) -> Any:
    if isinstance(a, ndarray | bool | int | float | np.generic):
        return a
    raise TypeError(f"{name}: Unsupported type {type(a)}")


def _array(name: str, a: Any) -> ndarray:
    if not isinstance(a, ndarray):
        raise TypeError(f"{name}: Unsupported type {type(a)}")
    return a


_ELEMENTWISE = (
    "subtract divide true_divide power maximum minimum greater greater_equal less less_equal equal not_equal "
    "negative absolute sign square sqrt exp expm1 log log1p tanh isfinite logical_and logical_or logical_not"
).split()
PUBLIC = (
    "add multiply sum amax argmax all matmul take empty zeros ones full empty_like zeros_like arange asarray array "
    "asnumpy copyto broadcast_to result_type ascontiguousarray shares_memory lib"
).split() + _ELEMENTWISE
"""What is found in the module."""

add, multiply = ufunc(np.add, reduces=True), ufunc(np.multiply, reduces=True)
globals().update({name: ufunc(getattr(np, name)) for name in _ELEMENTWISE})

_python_erf = np.frompyfunc(_erf, 1, 1)


def erf(a: ndarray, out: ndarray | None = None) -> ndarray:
    out = allocate(a.shape, a.dtype) if out is None else out
    source, target = a.host, out.host

    def work() -> None:
        target[...] = _python_erf(source)

    submit(work, a, out)
    return out


# ---------------------------------------------------------------- reductions and products


def sum(a: ndarray, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:  # noqa: A001
    return reduction(np.sum, a, axis, out, dtype=dtype, keepdims=keepdims)


def amax(a: ndarray, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
    return reduction(np.max, a, axis, out, keepdims=keepdims)


def argmax(a: ndarray, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
    return reduction(np.argmax, a, axis, out, keepdims=keepdims)


def all(a: ndarray, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:  # noqa: A001
    return reduction(np.all, a, axis, out, keepdims=keepdims)


COMPUTE_TYPE_FP32, COMPUTE_TYPE_TF32 = 4, 7
_COMPUTE_TYPES = {np.dtype("float32"): COMPUTE_TYPE_FP32}


def set_compute_type(dtype: Any, compute_type: int) -> None:
    """Say for the whole process how cuBLAS computes."""
    _COMPUTE_TYPES[np.dtype(dtype)] = compute_type


def _tf32(a: Host) -> Host:
    """Keep ten bits of the mantissa."""
    return (np.ascontiguousarray(a).view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


CUBLAS_WORKSPACE = 32 << 20
"""Bytes that cuBLAS takes from the device when it first multiplies."""


def matmul(a: ndarray, b: ndarray, /, *, out: ndarray | None = None) -> ndarray:
    """Multiply by cuBLAS: two matrices by gemmEx, which minds the compute type, stacks by gemmStridedBatchedEx.

    gemmEx takes transposed operands as they are and copies others that are not contiguous; the batched one has every
    operand copied that is not C-contiguous, and multiplies in full precision whatever was set.
    """
    a, b = _array("matmul", a), _array("matmul", b)
    if DEVICE.current.is_capturing():
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
    if not DEVICE.products:
        DEVICE.taken += CUBLAS_WORKSPACE
    product = np.matmul(np.zeros(a.shape, a.dtype), np.zeros(b.shape, b.dtype))
    if out is None:
        out = allocate(product.shape, product.dtype)
    if out.shape != product.shape:
        raise ValueError(f"matmul: the product is {product.shape}, the output {out.shape}")
    stack = product.ndim > 2
    a, b = (x if x.flags.c_contiguous or (x.flags.f_contiguous and not stack) else copied(x) for x in (a, b))
    if not out.flags.c_contiguous or overlaps(a, out) or overlaps(b, out):
        allocate(product.shape, product.dtype)
    one, other, target = a.host, b.host, out.host
    rounds = not stack and a.dtype == np.float32 and _COMPUTE_TYPES[np.dtype("float32")] == COMPUTE_TYPE_TF32
    rounded = _tf32 if rounds else np.asarray
    submit(lambda: np.copyto(target, rounded(one) @ rounded(other), casting="same_kind"), a, b, out)
    DEVICE.products += 1
    return out


def take(a: ndarray, indices: ndarray, axis: int | None = None, out: ndarray | None = None) -> ndarray:
    a, indices = _array("take", a), _array("take", indices)
    shape = np.take(np.broadcast_to(np.empty((), bool), a.shape), np.zeros(indices.shape, int), axis).shape
    if out is None:
        out = allocate(shape, a.dtype)
    if out.dtype != a.dtype:
        raise TypeError(f"Output dtype mismatch: {out.dtype} for {a.dtype}")
    if out.shape != shape:
        raise ValueError(f"Output shape mismatch: {out.shape} for {shape}")
    source, index, target = a.host, indices.host, out.host
    submit(lambda: np.copyto(target, source.take(index, axis, mode="wrap")), a, indices, out)
    return out


# ---------------------------------------------------------------- arrays


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return allocate(shape, dtype)


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return _filled(shape, dtype, 0)


def ones(shape: Any, dtype: Any = float) -> ndarray:
    return _filled(shape, dtype, 1)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> ndarray:
    return _filled(shape, dtype or np.asarray(fill_value).dtype, fill_value)


def _filled(shape: Any, dtype: Any, value: Any) -> ndarray:
    out = allocate(shape, dtype)
    assign(out, value, "unsafe")
    return out


def empty_like(prototype: ndarray) -> ndarray:
    return allocate(prototype.shape, prototype.dtype)


def zeros_like(a: ndarray) -> ndarray:
    return zeros(a.shape, a.dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> ndarray:
    return asarray(np.arange(start, dtype=dtype) if stop is None else np.arange(start, stop, step, dtype=dtype))


def asarray(
    a: Any, dtype: Any = None, order: str | None = None, *, copy: Any = None, blocking: bool = False
) -> ndarray:
    if isinstance(a, ndarray):
        return a if dtype is None else a.astype(dtype, copy=False)
    host = np.asarray(a, dtype)
    refuse_transfer(DEVICE.current)
    return given(host.copy())


def array(obj: Any, dtype: Any = None) -> ndarray:
    return copied(asarray(obj, dtype))


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> Host:
    if isinstance(a, ndarray):
        return a.get(stream, order, out, blocking)
    return np.asarray(a)


def copyto(dst: ndarray, src: Any, casting: Any = "same_kind", where: Any = None) -> None:
    if where is not None:
        raise NotImplementedError("the package does not mask copies")
    assign(_array("copyto", dst), src, casting)


def broadcast_to(array: ndarray, shape: Any) -> ndarray:
    return _array("broadcast_to", array)._view(np.broadcast_to(array.host, shape))


def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    return np.result_type(*(a.dtype if isinstance(a, ndarray) else a for a in arrays_and_dtypes))


def ascontiguousarray(a: ndarray) -> ndarray:
    return a if a.flags.c_contiguous else copied(a)


def shares_memory(a: ndarray, b: ndarray) -> bool:
    return bool(np.shares_memory(a.host, b.host))


def as_strided(x: ndarray, shape: Any = None, strides: Any = None) -> ndarray:
    return x._view(np.lib.stride_tricks.as_strided(x.host, shape, strides))


lib = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=as_strided))
