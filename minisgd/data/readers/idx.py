"""Read IDX files, the format of MNIST.

A file is: two zero bytes, a byte for the type, a byte for the number of dimensions D, D sizes as big-endian 32-bit
integers, and the values in C order, big-endian. (Y. LeCun, C. Cortes, C. Burges, The MNIST database, file formats.)
"""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Container
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from minisgd.data.checks import as_images
from minisgd.data.readers.reader import Arrays, Reader, existing, refusing, require_axes, require_room
from minisgd.data.tables.dialect import is_zipped
from minisgd.errors import DataError
from minisgd.typing import HostArray

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_NAME = re.compile(r"(?P<stem>.*?)[-_.]?(?P<kind>images|labels)[-_.]?idx\d[-_.]?\w*(\.gz)?", re.IGNORECASE)
_ROLES = {"train": "train", "t10k": "test", "test": "test", "val": "validation"}
_PIECE = 1 << 20
_MOST_AXES = 8


def read_idx(path: str | Path) -> HostArray:
    """Read one IDX file, gzipped or not, as an array in the machine's byte order.

    Raises:
        DataError: For a file that is no IDX file or damaged; says what was expected and what is there.
    """
    path = existing(Path(path))
    with refusing(path, "a complete gzip or IDX file", _AGAIN):
        with _open(path) as stream:
            dtype, shape = _header(stream, path)
            require_axes(str(path), shape)
            expected = prod(shape) * dtype.itemsize
            if isinstance(stream, gzip.GzipFile):
                require_room(path, expected, f"shape {shape}")
            values = _read(stream, expected + 1)
        if len(values) != expected:
            raise DataError(
                str(path),
                expected=f"{expected} bytes of values for shape {shape}",
                got=f"{len(values)} bytes" if len(values) < expected else "more bytes",
                fix=_AGAIN,
            )
        return np.frombuffer(values, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def read_idx_folder(folder: str | Path) -> Arrays:
    """Read the image and label files of a folder: one pair is the training data, of several each name says its split.

    Names are like train-images-idx3-ubyte.gz: a stem, images or labels, idx. Of several pairs the stem tells training
    (train), validation (val) and test (t10k, test) apart. Grey images (N, H, W) become (N, H, W, 1).

    Raises:
        DataError: For a missing half of a pair, no pair, or pairs whose split cannot be told.
    """
    folder = existing(Path(folder), folder=True)
    files: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # in reverse, so that x takes precedence over x.gz
        if name := _NAME.fullmatch(path.name):
            files.setdefault(name["stem"], {})[name["kind"].lower()] = path
    if not files:
        raise DataError(
            str(folder),
            expected="a folder with files like train-images-idx3-ubyte and train-labels-idx1-ubyte",
            got=", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "an empty folder",
            fix="rename the files",
        )
    arrays: Arrays = {}
    for stem, pair in files.items():
        if len(pair) < 2:
            present = next(iter(pair.values()))
            raise DataError(
                str(present),
                expected="one of a pair of images and labels",
                got="only " + next(iter(pair)),
                fix="put the other file of the pair into the same folder",
            )
        role = "train" if len(files) == 1 else _role(stem, folder)
        if role in arrays:
            raise DataError(
                str(folder),
                expected=f"a folder with one {role} pair",
                got=", ".join(files),
                fix="keep one pair per split",
            )
        images = _read_array(pair["images"], range(2, _MOST_AXES + 1), "images (N, H, W)")
        arrays[role] = (as_images(images), _read_array(pair["labels"], (1,), "labels (N,)"), None)
    if "train" not in arrays:
        raise DataError(
            str(folder),
            expected="a folder with a training pair",
            got=", ".join(files),
            fix="name it train-images-…, train-labels-…",
        )
    return arrays


_AGAIN = "fetch or write the file again"


def _open(path: Path) -> IO[bytes]:
    """Open a file, through gzip where its first bytes say so."""
    return gzip.open(path, "rb") if is_zipped(path) else path.open("rb")  # type: ignore[return-value]


def _header(stream: IO[bytes], path: Path) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES or not 0 < magic[3] <= _MOST_AXES:
        raise DataError(
            str(path),
            expected=f"an IDX file: 2 zero bytes, a type from 08 to 0e, the number of dimensions, 1 to {_MOST_AXES}",
            got=f"first bytes {magic.hex(' ')}" if magic else "an empty file",
            fix="check that the file is what its name says",
        )
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(
            str(path), expected=f"an IDX file with {4 * magic[3]} bytes of sizes", got=f"{len(sizes)} bytes", fix=_AGAIN
        )
    return np.dtype(_DTYPES[magic[2]]), struct.unpack(f">{magic[3]}I", sizes)


def _read(stream: IO[bytes], limit: int) -> bytearray:
    """Read up to limit bytes, piece by piece: a damaged header cannot make us reserve what is not there."""
    values = bytearray()
    while piece := stream.read(min(_PIECE, limit - len(values))):
        values += piece
    return values


def _read_array(path: Path, axes: Container[int], expected: str) -> HostArray:
    """Read one file of a pair, whose array has so many axes."""
    array = read_idx(path)
    if array.ndim not in axes:
        fix = "check that the two files are not swapped"
        raise DataError(str(path), expected=expected, got=f"shape {array.shape}", fix=fix)
    return array


def _role(stem: str, folder: Path) -> str:
    for sign, role in _ROLES.items():
        if sign in stem.lower():
            return role
    raise DataError(
        str(folder),
        expected="a folder whose pairs are named train…, val… and t10k… or test…",
        got=repr(stem),
        fix="rename the files, or leave one pair",
    )


IDX = Reader(
    "idx:DIR",
    "MNIST-style IDX files, gzipped or not: one image/label pair, or two (training and test)",
    read_idx_folder,
)
