"""Read .npz archives: arrays by the names that are in common use."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from minisgd.data.checks import as_images
from minisgd.data.readers.reader import Arrays, Reader, existing
from minisgd.errors import DataError, MinisgdError
from minisgd.typing import HostArray

_KINDS = {
    "x": ("x", "data", "images", "features", "inputs"),
    "y": ("y", "target", "targets", "labels", "label"),
    "weight": ("weight", "weights", "sample_weight"),
}
_ROLES = {"train": ("train", "training"), "validation": ("validation", "val", "valid"), "test": ("test",)}


def read_npz(path: str | Path) -> Arrays:
    """Read the splits of an .npz archive.

    Training features are the array x, x_train or train_x (or data, images, features, inputs in place of x), targets
    the same with y (target, targets, labels, label), weights with weight; validation and test likewise, as x_val or
    test_images. Case does not matter; the first name in this order counts, and other arrays are left alone.
    Grey uint8 images (N, H, W) become (N, H, W, 1).

    Raises:
        DataError: For an archive that is damaged or lacks x or y; says which arrays it holds.
    """
    path = existing(Path(path))
    try:
        # a zip file first: np.load takes other kinds of file too, and leaves damaged ones open
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as archive:
            keys = {key.lower(): key for key in archive.files}
            return {role: parts for role in _ROLES if (parts := _split(archive, keys, role, path))}
    except MinisgdError:
        raise
    except (ValueError, EOFError, OSError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            str(path),
            expected="an .npz archive of numbers or text",
            got=f"a damaged file ({error})" if str(error) else "a damaged file",
            fix="write it again with np.savez, without object arrays",
        ) from error


def _split(
    archive: np.lib.npyio.NpzFile, keys: dict[str, str], role: str, path: Path
) -> tuple[HostArray, HostArray, HostArray | None] | None:
    """Return the arrays of one split; None where the archive has neither features nor targets of it."""
    x, y, weight = (next((keys[name] for name in _names(kind, role) if name in keys), None) for kind in _KINDS)
    if x is None and y is None and role != "train":
        return None
    if x is None or y is None:
        raise DataError(
            str(path),
            expected=f"an archive with the arrays x and y of the {role} split",
            got=f"arrays {', '.join(keys.values()) or 'none'}",
            fix="save it with np.savez(path, x=…, y=…), or x_train, y_train, x_test, y_test",
        )
    return as_images(archive[x]), archive[y], None if weight is None else archive[weight]


def _names(kind: str, role: str) -> Iterator[str]:
    for word in _KINDS[kind]:
        for split in _ROLES[role]:
            yield f"{word}_{split}"
            yield f"{split}_{word}"
        if role == "train":
            yield word


NPZ = Reader("FILE.npz", "arrays `x`, `y`, or `x_train`, `y_train`, `x_test`, …", read_npz)
