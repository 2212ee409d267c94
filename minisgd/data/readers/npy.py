"""Read a pair of .npy files, features memory-mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from minisgd.data.checks import as_images
from minisgd.data.readers.reader import Arrays, Reader, existing
from minisgd.errors import DataError
from minisgd.typing import HostArray


def read_npy_pair(x: str | Path, y: str | Path) -> Arrays:
    """Map the features x.npy, which may exceed memory, and read the targets y.npy.

    Grey uint8 images (N, H, W) become (N, H, W, 1).

    Raises:
        DataError: For a file that cannot be read.
    """
    return {"train": (as_images(_read(Path(x), mapped="r")), _read(Path(y), mapped=None), None)}


def read_npy(path: Path) -> HostArray:
    """Read one .npy file.

    Raises:
        DataError: For a file that cannot be read.
    """
    return _read(path, mapped=None)


def _read(path: Path, mapped: Literal["r"] | None) -> HostArray:
    existing(path)
    try:
        array: HostArray = np.load(path, mmap_mode=mapped, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(
            str(path),
            expected="a .npy file of numbers or text",
            got=str(error) or "a damaged file",
            fix="write it again with np.save, without object arrays",
        ) from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(str(path), expected="a .npy file", got="an .npz archive", fix="rename it to .npz")
    return array


NPY = Reader("x.npy,y.npy", "a pair of arrays, memory-mapped", read_npy_pair)
