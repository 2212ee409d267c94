"""From the name of a data set to the data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from minisgd.checks import as_items, require_flag, require_kind, require_one_of
from minisgd.data.checks import about
from minisgd.data.dataset import Dataset
from minisgd.data.digits import digits
from minisgd.data.docstrings import docstrings
from minisgd.data.readers import READERS
from minisgd.data.readers.npy import read_npy
from minisgd.data.readers.reader import Arrays, Reader, TableReader
from minisgd.data.tables.columns import TableOptions
from minisgd.data.tables.frames import is_frame, read_frame
from minisgd.data.tables.table import Table
from minisgd.data.tabular import dataset_of
from minisgd.data.target import Task
from minisgd.errors import ArgumentError, DataError, DtypeError
from minisgd.typing import HostArray, Seed

BUILT_IN: dict[str, Callable[..., Dataset]] = {
    "digits": digits,
    "docstrings": lambda *, images, **options: docstrings(**options),
}
"""Data sets that come with the package, by name."""

FORMS = "{} or {}".format(", ".join([*BUILT_IN, *(reader.form for reader in READERS[:-1])]), READERS[-1].form)
"""Every form that the name of a data set may have, in words."""

_OTHERWISE = "give a file with one of these endings; what else pandas reads, ms.load takes as a data frame"
_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}


def load(
    name: Any,
    *,
    validation: float | None = 0.2,
    seed: Seed = 0,
    images: bool = True,
    target: str | Sequence[str] | None = None,
    task: Task | None = None,
    standardize: bool | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    missing: Literal["impute", "drop", "refuse"] = "impute",
    keep_index: bool = False,
    header: bool | None = None,
    text: str | None = None,
) -> Dataset:
    """Load a data set by its name, in one of the forms that ``minisgd train --help`` lists, or a data frame.

    What was decided about the columns of a table is in ``decisions`` of the result, each with its reason.

    Args:
        name: Such a name; or a data frame of pandas, polars or pyarrow, or a dictionary of columns.
        validation: The fraction to hold out, unless the files bring a validation split of their own.
        seed: Seed of the hold-out.
        images: Leave images as (N, H, W, C); False flattens every example to a vector.
        target: The target column of a table, or several; by default label, target, class or y, or the last.
        task: "classification", "regression" or "multilabel"; by default guessed.
        standardize: Features to mean 0 and standard deviation 1; by default those of tables.
        drop: Columns of a table to leave out.
        categorical: Columns of a table that are categories though they are numbers, or though many texts differ.
        missing: "impute" the training mean and add an indicator, "drop" the rows, or "refuse" them.
        keep_index: Keep columns that only number or name the rows.
        header: Whether line 1 of a text file names the columns; by default it must not look like data.
        text: The column of a table whose words are the features, by tf-idf (see ``ms.text.Lexicon``), and no other.

    Returns:
        The data set.

    Raises:
        ArgumentError: For a name of no known form, or options that do not fit the data.
        DataError: For files that are not there or cannot be learned from.
        MissingExtraError: Where a package is missing.
    """
    if task is not None:
        require_one_of(task, get_args(Task), "task")
    require_one_of(missing, ("impute", "drop", "refuse"), "missing")
    for argument, flag in (("images", images), ("keep_index", keep_index)):
        require_flag(flag, argument)
    for argument, choice in (("standardize", standardize), ("header", header)):
        require_flag(bool(choice) if choice is None else choice, argument)
    chosen = {"drop": _names("drop", drop), "categorical": _names("categorical", categorical)}
    if (table := _table(name, header)) is not None:
        if text is not None:
            require_kind(text, str, "text", "the name of a column", "write text='review'")
        options = TableOptions(
            **chosen, missing=missing, keep_index=keep_index, standardize=standardize is not False, text=text
        )
        with _within_memory(table.source):
            return dataset_of(table, target=target, task=task, options=options, validation=validation, seed=seed)
    name = os.fspath(name)
    given = {
        "target": (target, target is not None),
        **{argument: (columns, bool(columns)) for argument, columns in chosen.items()},
        "missing": (missing, missing != "impute"),
        "keep_index": (keep_index, keep_index),
        "header": (header, header),
        "text": (text, text is not None),
    }
    for argument, (value, is_given) in given.items():
        if is_given:
            raise ArgumentError(
                argument, expected=f"left out for {name}", got=repr(value), fix="leave it out, as only tables have it"
            )
    if name in BUILT_IN:
        if task not in (None, "classification"):
            raise ArgumentError("task", expected=f"left out for {name}", got=repr(task), fix="leave it out")
        data = BUILT_IN[name](validation=validation, seed=seed, images=images)
    else:
        with _within_memory(name):
            data = _assemble(_reader(name).arrays(name), name, validation, seed, images, task)
    return data.standardized() if standardize else data


@contextmanager
def _within_memory(name: str) -> Iterator[None]:
    """Refuse data for which this machine has no memory."""
    try:
        yield
    except MemoryError as error:
        raise DataError(
            name, expected="small enough for this machine's memory", got=str(error) or "more", fix="take fewer rows"
        ) from error


def read_table(name: str | os.PathLike[str], header: bool | None = None) -> Table | HostArray:
    """Return the table of a file, or the array of a .npy file.

    Raises:
        ArgumentError: For a name of another form.
        DataError: For a file that cannot be read.
    """
    if os.fspath(name).endswith(".npy") and "," not in os.fspath(name):
        return read_npy(Path(name))
    if (table := _table(name, header)) is not None:
        return table
    raise ArgumentError(
        "data", expected="a table, or an array in a .npy file", got=repr(os.fspath(name)), fix="use FILE.csv or x.npy"
    )


def _table(name: Any, header: bool | None) -> Table | None:
    """Return a data frame or a file with columns as a table; None for data of another kind."""
    if not isinstance(name, (str, os.PathLike)):
        if is_frame(name):
            return read_frame(name)
        raise DtypeError(
            "data", expected=f"a name such as {FORMS}, or a data frame", got=type(name).__name__, fix="name a file"
        )
    name = os.fspath(name)
    if name in BUILT_IN:
        return None
    reader = _reader(name)
    if not isinstance(reader, TableReader):
        return None
    table: Table = reader.read(name, header)
    return table


def _reader(name: str) -> Reader:
    reader = next((reader for reader in READERS if reader.takes(name)), None)
    if reader is None:
        raise _unknown(name)
    return reader


def _names(argument: str, names: Sequence[str]) -> tuple[str, ...]:
    listed, fix = "a list of column names", "write ['a', 'b']"
    for name in as_items(names, argument, listed, fix):
        require_kind(name, str, argument, listed, fix)
    return tuple(names)


def _assemble(
    arrays: Arrays, name: str, validation: float | None, seed: Seed, images: bool, task: Task | None
) -> Dataset:
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
            task=task,
            standardize_target=True,
        )


def _unknown(name: str) -> ArgumentError:
    """Say what the name might have meant."""
    root, suffix = os.path.splitext(name)
    endings = [reader.endings[0] for reader in READERS if len(reader.endings) == 1]
    meant = [*BUILT_IN, *(root + ending for ending in endings if suffix and not Path(name).exists())]
    if ":" in name:
        meant += [reader.scheme + name.rpartition(":")[2] for reader in READERS if reader.scheme]
    if name.endswith(".npy") and "," not in name:
        near = [f"{name},{Path(name).with_name('y.npy')}"]
    elif os.path.isdir(name):
        near = [f"idx:{name}"]
    else:
        near = get_close_matches(name, meant, n=1, cutoff=0.7)
    fix = f"did you mean {near[0]!r}?" if near else _OTHERWISE
    if name.endswith(".safetensors"):
        fix = "a trained model is read by ms.load_model(FILE)"
    if os.path.isdir(name) and any(path.suffix.lower() in _PICTURES for path in islice(Path(name).rglob("*"), 1000)):
        fix = "save pictures as arrays: np.savez('pictures.npz', x=x, y=y), x (N, H, W, C) uint8, y the classes (N,)"
    return ArgumentError("data", expected=f"one of {FORMS}", got=repr(name), fix=fix)
