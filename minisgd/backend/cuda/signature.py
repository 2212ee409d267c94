"""What a CUDA kernel takes, checked before every launch: CUDA itself checks nothing.

A kernel reads its arguments as raw bytes. An int64 where it expects an int32, a transposed view or an array
in host memory is not an error to it, but a wrong result or a crash far away. So each kernel declares its
arguments, and the launcher refuses what does not match, by the names of kernel and argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.errors import ArgumentError, DtypeError, ShapeError

REAL = "real"
"""The dtype of computation, which the build chooses: float32 or float64."""


@dataclass(frozen=True)
class Argument:
    """One argument of a kernel; build it with `array` or `scalar`.

    dtype: "real", or a NumPy dtype name that matches the type in the kernel ("int32" for int, "uint8" for
    unsigned char, "bool" for bool). optional: None is passed as a null pointer. strided: the kernel reads the
    array through strides that it is given as scalars, so any view will do.
    """

    name: str
    dtype: str
    is_array: bool
    optional: bool = False
    strided: bool = False

    def resolve(self, real: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype that this argument has in a build for `real`."""
        return real if self.dtype == REAL else np.dtype(self.dtype)


def array(name: str, dtype: str, *, optional: bool = False, strided: bool = False) -> Argument:
    """Declare a pointer to an array on the device, C-contiguous unless `strided`."""
    return Argument(name, dtype, is_array=True, optional=optional, strided=strided)


def scalar(name: str, dtype: str) -> Argument:
    """Declare a number passed by value."""
    return Argument(name, dtype, is_array=False)


@dataclass(frozen=True)
class Signature:
    """The name of a kernel and its arguments, in order."""

    name: str
    arguments: tuple[Argument, ...]

    def bind(self, values: tuple[Any, ...], real: np.dtype[Any], owns: Callable[[Any], bool]) -> tuple[Any, ...]:
        """Check the values of one launch and return them as the kernel reads them.

        real: float32 or float64, the build of the kernel. owns: tells whether an array lives on its device.

        Raises:
            ArgumentError: For a wrong count, or a number out of range.
            DtypeError: For a wrong type or device.
            ShapeError: For an array that is empty or not C-contiguous.
        """
        if len(values) != len(self.arguments):
            raise ArgumentError(
                f"{self.name}: arguments",
                expected=f"{len(self.arguments)} values ({', '.join(a.name for a in self.arguments)})",
                got=f"{len(values)} values",
                fix="pass one value for each argument of the kernel",
            )
        return tuple(
            self._array(argument, value, argument.resolve(real), owns)
            if argument.is_array
            else self._scalar(argument, value, argument.resolve(real))
            for argument, value in zip(self.arguments, values, strict=True)
        )

    def _array(self, argument: Argument, value: Any, dtype: np.dtype[Any], owns: Callable[[Any], bool]) -> Any:
        where = f"{self.name}: {argument.name}"
        if value is None and argument.optional:
            return np.uint64(0)  # eight zero bytes: a null pointer
        if not owns(value):
            got, fix = f"{type(value).__module__}.{type(value).__name__}", "move it with ops.from_host"
            raise DtypeError(where, expected=f"a {dtype} array on the kernel's device", got=got, fix=fix)
        if value.dtype != dtype:
            raise DtypeError(
                where, expected=f"an array of {dtype}", got=f"an array of {value.dtype}", fix=f"use dtype={dtype}"
            )
        if value.size == 0:
            raise ShapeError(
                where, expected="an array with elements", got=f"shape {value.shape}", fix="skip the launch when empty"
            )
        if not argument.strided and not value.flags.c_contiguous:
            got, fix = f"shape {value.shape} with strides {value.strides}", "copy it into a contiguous buffer first"
            raise ShapeError(where, expected="C-contiguous", got=got, fix=fix)
        return value

    def _scalar(self, argument: Argument, value: Any, dtype: np.dtype[Any]) -> Any:
        where = f"{self.name}: {argument.name}"
        # Python numbers have no width and take that of the kernel; NumPy scalars have one, which must be right
        natural = int if dtype.kind in "iu" else (int, float)
        fits = value.dtype == dtype if isinstance(value, np.generic) else isinstance(value, natural)
        if not fits or isinstance(value, bool):
            got = f"{value!r} of type {_type(value)}"
            raise DtypeError(where, expected=f"a number of type {dtype}", got=got, fix=f"pass np.{dtype}")
        if dtype.kind in "iu" and not np.iinfo(dtype).min <= int(value) <= np.iinfo(dtype).max:
            raise ArgumentError(
                where, expected=f"a number that {dtype} holds", got=value, fix="launch in smaller parts"
            )
        return dtype.type(value)


def _type(value: Any) -> str:
    return str(value.dtype) if isinstance(value, np.generic | np.ndarray) else type(value).__name__
