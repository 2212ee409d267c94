"""From the name of a data set to the data set."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from minisgd.data.checks import about
from minisgd.data.dataset import Dataset
from minisgd.data.digits import digits
from minisgd.data.readers.csv import read_csv
from minisgd.data.readers.files import Arrays
from minisgd.data.readers.idx import read_idx_folder
from minisgd.data.readers.npy import read_npy_pair
from minisgd.data.readers.npz import read_npz
from minisgd.data.readers.parquet import read_parquet
from minisgd.errors import ArgumentError
from minisgd.typing import Seed

_TABLES = {".csv": read_csv, ".parquet": read_parquet}
_FORMS = "digits, idx:DIR, FILE.npz, FILE.csv, FILE.parquet or x.npy,y.npy"


def load(
    name: str | os.PathLike[str],
    *,
    validation: float | None = 0.2,
    seed: Seed = 0,
    images: bool = True,
    target: str | None = None,
    standardize: bool | None = None,
) -> Dataset:
    """Load a data set by name: digits, idx:DIR, FILE.npz, FILE.csv, FILE.parquet or x.npy,y.npy (memory-mapped).

    validation: the fraction to hold out, unless the files bring a validation split of their own.
    images: leave images as (N, H, W, C); False flattens every example to a vector.
    target: the target column of a table. standardize: by default, tables only.

    Raises ArgumentError for a name of no known form, DataError for files that are not there or cannot be learned
    from, MissingExtraError where a package is missing.
    """
    name = os.fspath(name)
    suffix = Path(name).suffix.lower()
    pair = name.split(",")
    if target is not None and suffix not in _TABLES:
        raise ArgumentError("target", expected=f"left out for {name}", got=target, fix="use it with tables only")
    if name == "digits":
        data = digits(validation=validation, seed=seed, images=images)
    elif name.startswith("idx:"):
        data = _assemble(read_idx_folder(name.removeprefix("idx:")), name, validation, seed, images)
    elif suffix in _TABLES:
        x, y, column = _TABLES[suffix](name, target)
        data = _assemble({"train": (x, y, None)}, f"{name}, target {column!r}", validation, seed, images)
    elif suffix == ".npz":
        data = _assemble(read_npz(name), name, validation, seed, images)
    elif len(pair) == 2 and all(part.endswith(".npy") for part in pair):
        data = _assemble(read_npy_pair(*pair), name, validation, seed, images)
    else:
        raise _unknown(name)
    wanted = suffix in _TABLES if standardize is None else standardize
    return data.standardized() if wanted else data


def _assemble(arrays: Arrays, name: str, validation: float | None, seed: Seed, images: bool) -> Dataset:
    bytes_of_images = arrays["train"][0].dtype == np.uint8 and arrays["train"][0].ndim > 2
    if not images:
        arrays = {role: (x.reshape(len(x), -1), y, weight) for role, (x, y, weight) in arrays.items()}
    x, y, weight = arrays["train"]
    with about(name):
        return Dataset.from_arrays(
            x,
            y,
            weight=weight,
            validation=arrays.get("validation", validation),
            test=arrays.get("test"),
            scale=1 / 255 if bytes_of_images else None,
            seed=seed,
            name=name,
        )


def _unknown(name: str) -> ArgumentError:
    """Say what the name might have meant."""
    root, suffix = os.path.splitext(name)
    meant = ["digits", *(root + known for known in (".npz", *_TABLES) if suffix)]
    if ":" in name:
        meant.append("idx:" + name.rpartition(":")[2])
    if name.endswith(".npy") and "," not in name:
        near = [f"{name},{Path(name).with_name('y.npy')}"]
    elif name and Path(name).is_dir():
        near = [f"idx:{name}"]
    else:
        near = get_close_matches(name, meant, n=1, cutoff=0.7)
    fix = f"did you mean {near[0]!r}?" if near else "name a file by one of these endings"
    return ArgumentError("data", expected=f"one of {_FORMS}", got=repr(name), fix=fix)
