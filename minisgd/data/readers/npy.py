"""Read a pair of .npy files, features memory-mapped; and the format itself, which .npz archives are made of.

A file is: a magic number with the version, the length of the header, the header (a Python dictionary of dtype, order
and shape, as text), and the values. (numpy.lib.format)
"""

from __future__ import annotations

from io import SEEK_CUR
from math import prod
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from minisgd.data.checks import as_images
from minisgd.data.readers.reader import Arrays, Reader, existing, refusing, require_axes
from minisgd.errors import DataError
from minisgd.typing import HostArray, Shape

_EXPECTED, _FIX = "a .npy file of numbers or text", "write it again with np.save, without object arrays"


def read_npy_pair(x: str | Path, y: str | Path) -> Arrays:
    """Map the features x.npy, which may exceed memory, and read the targets y.npy.

    Grey uint8 images (N, H, W) become (N, H, W, 1).

    Raises:
        DataError: For a file that cannot be read.
    """
    return {"train": (as_images(read_npy(Path(x), mapped=True)), read_npy(Path(y)), None)}


class Header(NamedTuple):
    """What stands before the values of an array."""

    dtype: np.dtype[Any]
    shape: Shape
    order: Literal["C", "F"]

    @classmethod
    def of(cls, stream: IO[bytes], where: str, size: int) -> Header:
        """Read the header of an array, which is to fill the size of its file or entry exactly.

        Raises:
            DataError: For arrays of objects and of named fields, and for sizes that do not fit.
        """
        version = npy_format.read_magic(stream)
        read = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}.get(version)
        if read is None:  # later versions are of arrays with named fields
            raise DataError(where, expected=_EXPECTED, got=f"version {version} of the format", fix=_FIX)
        shape, fortran, dtype = read(stream)
        if dtype.kind not in "biufSUmM" or not dtype.itemsize:
            raise DataError(where, expected=_EXPECTED, got=f"dtype {dtype}", fix=_FIX)
        own, there = prod(shape) * dtype.itemsize, size - stream.seek(0, SEEK_CUR)
        if min(shape, default=0) < 0 or own != there:
            raise DataError(
                where,
                expected=f"a .npy file of {own:,} bytes of values, for shape {shape} of {dtype}",
                got=f"{there:,} bytes",
                fix=_FIX,
            )
        require_axes(where, shape)
        return cls(dtype, shape, "F" if fortran else "C")

    def values(self, stream: IO[bytes], where: str) -> HostArray:
        """Read the values that follow."""
        flat = np.empty(prod(self.shape), self.dtype)
        rest = memoryview(flat.view(np.uint8).data)
        while len(rest) and (n := stream.readinto(rest)):  # type: ignore[attr-defined]
            rest = rest[n:]
        if len(rest) or stream.read(1):  # which also compares the checksum of an entry
            raise DataError(where, expected=f"a .npy file of {flat.nbytes:,} bytes of values", got="others", fix=_FIX)
        return flat.reshape(self.shape, order=self.order)


def read_npy(path: Path, *, mapped: bool = False) -> HostArray:
    """Read one .npy file, or map it into memory.

    Raises:
        DataError: For a file that cannot be read.
    """
    existing(path)
    with refusing(path, _EXPECTED, _FIX), path.open("rb") as stream:
        if stream.read(2) == b"PK":
            raise DataError(str(path), expected="a .npy file", got="an .npz archive", fix="rename it to .npz")
        stream.seek(0)
        header = Header.of(stream, str(path), path.stat().st_size)
        if mapped and 0 not in header.shape:
            return np.memmap(path, header.dtype, "r", stream.seek(0, SEEK_CUR), header.shape, header.order)
        return header.values(stream, str(path))


NPY = Reader("x.npy,y.npy", "a pair of arrays, memory-mapped", read_npy_pair)
