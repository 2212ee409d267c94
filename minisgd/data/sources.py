"""From the name of a data set to the data set."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from minisgd.data.checks import about
from minisgd.data.dataset import Dataset
from minisgd.data.digits import digits
from minisgd.data.readers import READERS
from minisgd.data.readers.reader import Arrays, refuse_target
from minisgd.errors import ArgumentError
from minisgd.typing import Seed

BUILT_IN = {"digits": digits}
"""Data sets that come with the package, by name."""

FORMS = "{} or {}".format(", ".join([*BUILT_IN, *(reader.form for reader in READERS[:-1])]), READERS[-1].form)
"""Every form that the name of a data set may have, in words."""


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

    Args:
        name: One of the forms above.
        validation: The fraction to hold out, unless the files bring a validation split of their own.
        seed: Seed of the hold-out.
        images: Leave images as (N, H, W, C); False flattens every example to a vector.
        target: The target column of a table; by default label, target, class or y, or else the last.
        standardize: Bring features to mean 0 and standard deviation 1; by default tables only.

    Returns:
        The data set.

    Raises:
        ArgumentError: For a name of no known form.
        DataError: For files that are not there or cannot be learned from.
        MissingExtraError: Where a package is missing.
    """
    name = os.fspath(name)
    if name in BUILT_IN:
        refuse_target(name, target)
        data, standardizes = BUILT_IN[name](validation=validation, seed=seed, images=images), False
    else:
        reader = next((reader for reader in READERS if reader.takes(name)), None)
        if reader is None:
            raise _unknown(name)
        data = _assemble(*reader.arrays(name, target), validation, seed, images)
        standardizes = reader.standardizes
    wanted = standardizes if standardize is None else standardize
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
    endings = [reader.endings[0] for reader in READERS if len(reader.endings) == 1]
    meant = [*BUILT_IN, *(root + ending for ending in endings if suffix)]
    if ":" in name:
        meant += [reader.scheme + name.rpartition(":")[2] for reader in READERS if reader.scheme]
    if name.endswith(".npy") and "," not in name:
        near = [f"{name},{Path(name).with_name('y.npy')}"]
    elif name and Path(name).is_dir():
        near = [f"idx:{name}"]
    else:
        near = get_close_matches(name, meant, n=1, cutoff=0.7)
    fix = f"did you mean {near[0]!r}?" if near else "give a file with one of these endings"
    return ArgumentError("data", expected=f"one of {FORMS}", got=repr(name), fix=fix)
