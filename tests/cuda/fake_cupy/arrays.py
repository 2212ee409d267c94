"""Arrays of the device: NumPy's arrays inside, and nothing that NumPy could take for one of its own."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np

from tests.cuda.fake_cupy.device import DEVICE, Memory, Stream

Host: TypeAlias = np.ndarray[Any, np.dtype[Any]]

BASIC = (int, np.integer, slice, type(None), type(...))
PINNED: list[weakref.ref[Host]] = []
"""Blocks of pinned memory: what is copied from them is read when the stream comes to it."""


def pin(block: Host) -> Host:
    """Return a block as pinned memory, whose release an event waits for: not while a stream is capturing."""
    PINNED.append(weakref.ref(block))
    weakref.finalize(block, DEVICE.refuse_release, "pinned memory is released").atexit = False
    return block


def is_pinned(array: Host) -> bool:
    blocks = (block() for block in PINNED)
    return any(block is not None and np.may_share_memory(array, block) for block in blocks)


class ndarray:  # noqa: N801  (CuPy's name)
    """An array on the device, a view of its memory."""

    __slots__ = ("__weakref__", "base", "host", "memory")

    def __init__(self, host: Host, memory: Memory, base: ndarray | None = None) -> None:
        self.host, self.memory, self.base = host, memory, base

    # ------------------------------------------------ what NumPy must not do

    def __array__(self, *args: Any, **kwargs: Any) -> Host:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("operand type(s) of a NumPy function are arrays on the device")

    def __array_function__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a NumPy function was given arrays on the device")

    # ------------------------------------------------ description

    shape = property(lambda self: self.host.shape)
    dtype = property(lambda self: self.host.dtype)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    nbytes = property(lambda self: self.host.nbytes)
    itemsize = property(lambda self: self.host.itemsize)
    strides = property(lambda self: self.host.strides)
    flags = property(lambda self: self.host.flags)
    T = property(lambda self: self._view(self.host.T))
    data = property(lambda self: SimpleNamespace(ptr=self.host.ctypes.data, mem=self.memory))
    device = property(lambda self: SimpleNamespace(id=0))

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.host.ctypes.data, False),
            "strides": self.strides,
            "version": 3,
        }

    def __len__(self) -> int:
        return len(self.host)

    def __repr__(self) -> str:
        return f"array on the device, shape {self.shape}, {self.dtype}"

    # ------------------------------------------------ views

    def _view(self, host: Host) -> ndarray:
        return ndarray(host, self.memory, self if self.base is None else self.base)

    def reshape(self, *shape: Any) -> ndarray:
        shape = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        reshaped = self.host.reshape(shape)
        if self.size and not np.shares_memory(reshaped, self.host):
            return copied(self).reshape(*shape)
        return self._view(reshaped)

    def transpose(self, *axes: Any) -> ndarray:
        return self._view(self.host.transpose(*axes))

    def swapaxes(self, axis1: int, axis2: int) -> ndarray:
        return self._view(self.host.swapaxes(axis1, axis2))

    def view(self, dtype: Any = None) -> ndarray:
        return self._view(self.host.view() if dtype is None else self.host.view(dtype))

    def ravel(self) -> ndarray:
        return self.reshape(-1)

    def squeeze(self, axis: Any = None) -> ndarray:
        return self._view(self.host.squeeze(axis))

    def __getitem__(self, index: Any) -> ndarray:
        parts = index if isinstance(index, tuple) else (index,)
        if all(isinstance(part, BASIC) and not isinstance(part, bool) for part in parts):
            return self._view(self.host[(*parts, ...)] if ... not in parts else self.host[parts])
        if not all(isinstance(part, BASIC + (ndarray,)) for part in parts):
            raise IndexError("an index on the device must be made of numbers, slices and arrays on the device")
        where = tuple(part.host if isinstance(part, ndarray) else part for part in parts)
        DEVICE.current.synchronize()  # the shape of the result may depend on the index
        picked = self.host[where]
        return given(picked, self)

    def __setitem__(self, index: Any, value: Any) -> None:
        target = self[index]
        assign(target, value, "unsafe")

    # ------------------------------------------------ to and from the host

    def get(self, stream: Stream | None = None, order: str = "C", out: Any = None, blocking: bool = True) -> Host:
        stream = stream or DEVICE.current
        refuse_transfer(stream)
        result = np.empty(self.shape, self.dtype) if out is None else out
        source = self.host
        stream.submit(lambda: np.copyto(result, source), (self.memory,))
        if blocking:
            stream.synchronize()
        return result

    def set(self, arr: Host, stream: Stream | None = None) -> None:
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if self.dtype != arr.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if self.shape != arr.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        stream = stream or DEVICE.current
        refuse_transfer(stream)
        # a copy from ordinary memory has left it when the call returns; from pinned memory, when the stream gets there
        source = arr if is_pinned(arr) else arr.copy()
        target = self.host
        stream.submit(lambda: np.copyto(target, source), (self.memory,))

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return int(self.get().__index__())

    def __bool__(self) -> bool:
        return bool(self.get())

    # ------------------------------------------------ results of their own

    def copy(self, order: str = "C") -> ndarray:
        return copied(self)

    def astype(self, dtype: Any, *, copy: bool = True) -> ndarray:
        if not copy and self.dtype == np.dtype(dtype):
            return self
        out = allocate(self.shape, dtype)
        assign(out, self, "unsafe")
        return out

    def fill(self, value: Any) -> None:
        assign(self, value, "unsafe")


def allocate(shape: Any, dtype: Any) -> ndarray:
    """Return an array in memory of its own, its content undefined."""
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = DEVICE.allocate(nbytes)
    return ndarray(memory.bytes[:nbytes].view(dtype).reshape(shape), memory)


def copied(a: ndarray) -> ndarray:
    """Return a copy in memory of its own."""
    return given(a.host, a)


def given(values: Host, *sources: ndarray) -> ndarray:
    """Return an array of its own with what these values will be."""
    out = allocate(values.shape, values.dtype)
    target = out.host
    submit(lambda: np.copyto(target, values), out, *sources)
    return out


def submit(work: Callable[[], None], *arrays: ndarray) -> None:
    """Have the current stream do work on these arrays. The work holds `host`, never the arrays themselves."""
    DEVICE.current.submit(work, [a.memory for a in arrays])


def assign(target: ndarray, value: Any, casting: Any) -> None:
    """target = value, a number or an array on the device, broadcast."""
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError(f"Unsupported type {type(value)}: move it to the device first")
    out = target.host
    if not isinstance(value, ndarray):
        submit(lambda: np.copyto(out, value, casting="unsafe"), target)
        return
    if not np.can_cast(value.dtype, target.dtype, casting):
        raise TypeError(f"Cannot cast {value.dtype} to {target.dtype} by the rule {casting}")
    if np.broadcast_shapes(value.shape, target.shape) != target.shape:
        raise ValueError(f"could not broadcast {value.shape} to {target.shape}")
    source = copied(value) if overlaps(value, target) else value
    values = source.host
    submit(lambda: np.copyto(out, values, casting=casting), target, source)


def overlaps(a: ndarray, out: ndarray) -> bool:
    """Tell whether CuPy copies an operand first: any other view whose bounds meet those of the result."""
    return a is not out and a.memory is out.memory and bool(np.may_share_memory(a.host, out.host))


def refuse_transfer(stream: Stream) -> None:
    """Fail as CuPy does where a copy to or from the host would be captured."""
    if stream.is_capturing():
        raise RuntimeError("the stream is capturing: copies to and from the host are not allowed")


def _operator(name: str) -> Callable[..., Any]:
    def operate(self: ndarray, *others: Any) -> Any:
        from tests.cuda.fake_cupy import functions

        return getattr(functions, name)(self, *others)

    return operate


def _reflected(name: str) -> Callable[..., Any]:
    def operate(self: ndarray, other: Any) -> Any:
        from tests.cuda.fake_cupy import functions

        return getattr(functions, name)(other, self)

    return operate


_BINARY = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power"}
for _short, _long in _BINARY.items():
    setattr(ndarray, f"__{_short}__", _operator(_long))
    setattr(ndarray, f"__r{_short}__", _reflected(_long))
for _short, _long in {"gt": "greater", "ge": "greater_equal", "eq": "equal", "neg": "negative"}.items():
    setattr(ndarray, f"__{_short}__", _operator(_long))
ndarray.__hash__ = object.__hash__  # type: ignore[method-assign]
