"""Read .npz archives: arrays by the names that are in common use."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from minisgd.data.checks import as_images
from minisgd.data.readers.npy import Header
from minisgd.data.readers.reader import Arrays, Reader, existing, refusing, require_room
from minisgd.errors import DataError
from minisgd.typing import HostArray

_KINDS = {
    "x": ("x", "data", "images", "features", "inputs"),
    "y": ("y", "target", "targets", "labels", "label"),
    "weight": ("weight", "weights", "sample_weight"),
}
_ROLES = {"train": ("train", "training"), "validation": ("validation", "val", "valid"), "test": ("test",)}
_EXPECTED, _FIX = "an .npz archive of numbers or text", "write it again with np.savez, without object arrays"
_ENCRYPTED = 0x1  # a bit of an entry's flags


def read_npz(path: str | Path) -> Arrays:
    """Read the splits of an .npz archive.

    Training features are the array x, x_train or train_x (or data, images, features, inputs in place of x), targets
    the same with y (target, targets, labels, label), weights with weight; validation and test likewise, as x_val or
    test_images. Case does not matter; the first name in this order counts, and other arrays are left alone.
    Grey uint8 images (N, H, W) become (N, H, W, 1).

    Raises:
        DataError: For an archive that is damaged or lacks x or y; says which arrays it holds. Also for arrays of one
            name but for case, and for encrypted ones.
    """
    path = existing(Path(path))
    with refusing(path, _EXPECTED, _FIX), zipfile.ZipFile(path) as archive:
        entries = _entries(archive, path)
        return {role: parts for role in _ROLES if (parts := _split(archive, entries, role, path))}


def _entries(archive: zipfile.ZipFile, path: Path) -> dict[str, list[zipfile.ZipInfo]]:
    """Return the entries by the names of their arrays in lower case, if all of them together may be so large."""
    entries: dict[str, list[zipfile.ZipInfo]] = {}
    for entry in archive.infolist():
        entries.setdefault(_name(entry).lower(), []).append(entry)
    require_room(path, sum(entry.file_size for entry in archive.infolist()), "arrays")
    return entries


def _split(
    archive: zipfile.ZipFile, entries: dict[str, list[zipfile.ZipInfo]], role: str, path: Path
) -> tuple[HostArray, HostArray, HostArray | None] | None:
    """Return the arrays of one split; None where the archive has neither features nor targets of it."""
    x, y, weight = (next((entries[name] for name in _names(kind, role) if name in entries), None) for kind in _KINDS)
    if x is None and y is None and role != "train":
        return None
    if x is None or y is None:
        raise DataError(
            str(path),
            expected=f"an archive with the arrays x and y of the {role} split",
            got=f"arrays {', '.join(_name(entry) for each in entries.values() for entry in each) or 'none'}",
            fix="save it with np.savez(path, x=…, y=…), or x_train, y_train, x_test, y_test",
        )
    return (
        as_images(_array(archive, x, path)),
        _array(archive, y, path),
        None if weight is None else _array(archive, weight, path),
    )


def _array(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], path: Path) -> HostArray:
    """Return the array of an entry that is the only one of its name, neither encrypted nor compressed unusually."""
    entry, where = entries[0], f"{path}, array {_name(entries[0])!r}"
    if len(entries) > 1:
        names = ", ".join(repr(each.filename) for each in entries)
        raise DataError(where, expected="the only one of its name", got=names, fix="rename or remove the others")
    if entry.flag_bits & _ENCRYPTED:
        raise DataError(where, expected="readable without a password", got="an encrypted entry", fix=_FIX)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        method = zipfile.compressor_names.get(entry.compress_type, f"method {entry.compress_type}")  # type: ignore[attr-defined]
        raise DataError(where, expected="stored or deflated", got=f"compressed by {method}", fix=_FIX)
    with archive.open(entry) as stream:
        return Header.of(stream, where, entry.file_size).values(stream, where)


def _name(entry: zipfile.ZipInfo) -> str:
    return entry.filename.removesuffix(".npy")


def _names(kind: str, role: str) -> Iterator[str]:
    for word in _KINDS[kind]:
        for split in _ROLES[role]:
            yield f"{word}_{split}"
            yield f"{split}_{word}"
        if role == "train":
            yield word


NPZ = Reader("FILE.npz", "arrays `x`, `y`, or `x_train`, `y_train`, `x_test`, …", read_npz)
