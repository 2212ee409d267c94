"""Targets: labels of any kind become codes 0 … C−1 with names; real numbers stay real numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from minisgd.data.checks import as_float, as_host
from minisgd.data.target import LabelKind, Task
from minisgd.errors import DataError
from minisgd.typing import HostArray

Classes: TypeAlias = tuple[str, ...]
Encode: TypeAlias = Callable[[Any], HostArray]


def target_encoder(
    y: Any, classes: Classes | None = None, task: Task | None = None, others: Sequence[Any] = ()
) -> tuple[Encode, Classes | None]:
    """Decide from the training targets how targets of every split are read, and what the classes are called.

    task: classification or not; by default the table below   others: targets of other splits, whose classes count too

    ============================== ================== ===========================================
    y                              classes            read as
    ============================== ================== ===========================================
    floats (N,) or (N, O)          None               regression targets, floats as they are
    floats (N, C), rows sum to 1   C names            soft labels
    integers, booleans, strings    None               codes (N,) of the sorted distinct labels
    integers 0 … C−1               C names            codes (N,) as they are
    integers (N, T) up to C−1      C names            codes of positions, negative where none counts
    strings                        C names            codes (N,), positions among the names
    whole numbers, one-hot rows    classification     codes (N,) of the sorted distinct labels
    integers                       another task       floats
    ============================== ================== ===========================================

    Raises:
        DataError: For any other kind of target, and for labels of one class only.
    """
    y = as_host(y, "y")
    if task is None:
        task = "regression" if y.dtype.kind == "f" and classes is None else "classification"
    if task != "classification":
        return _floats if y.dtype.kind == "f" else _numbers, None
    if classes is not None and y.dtype.kind == "f":
        return partial(_soft_labels, classes=classes), classes
    if classes is not None and y.dtype.kind in "iu" and y.ndim > 1 and not _is_one_hot(y):
        return _codes_of_positions, classes
    found, _ = _distinct(y)
    if len(found) == 1:
        raise DataError(
            "y",
            expected="labels of at least two classes",
            got=f"only {found[0]!r}",
            fix="add examples of another class, or pass floats for regression",
        )
    if classes is None:
        found = _joined([found, *(_also_found(other, found) for other in others)])
        return partial(_codes_of_names, classes=found), found
    return partial(_codes if y.dtype.kind in "biu" else _codes_of_names, classes=classes), classes


def label_encoder(y: HostArray, classes: Classes | None, kind: LabelKind) -> Encode:
    """Return how further targets are read, where the training targets y became codes, or stayed floats.

    kind: what the labels were; "text" for codes of named classes
    """
    if classes is None or y.ndim > 1:
        return _numbers if classes is None else partial(_soft_labels, classes=classes)

    def encode(labels: Any) -> HostArray:
        labels = as_host(labels, "y")
        are_codes = kind == "text" and labels.dtype.kind in "biu"
        return (_codes if are_codes else _codes_of_names)(labels, classes)

    return encode


def _floats(y: Any) -> HostArray:
    """Return regression targets (N,) or (N, O)."""
    array = as_host(y, "y")
    if array.dtype.kind != "f":
        raise DataError("y", expected="floats like the training targets", got=f"dtype {array.dtype}", fix="convert y")
    return as_float(array)


def _numbers(y: Any) -> HostArray:
    """Return integers or booleans as targets (N,) or (N, O)."""
    array = as_host(y, "y")
    if array.dtype.kind not in "biuf":
        raise DataError("y", expected="numbers", got=f"dtype {array.dtype}", fix="use task='classification'")
    return as_float(array)


def _soft_labels(y: Any, classes: Classes) -> HostArray:
    """Return soft labels (N, C): rows of probabilities."""
    rows = _floats(y)
    if rows.ndim != 2 or rows.shape[1] != len(classes):
        raise DataError(
            "y",
            expected=f"integer labels, or soft labels of shape (N, {len(classes)}), since classes are named",
            got=f"floats of shape {rows.shape}",
            fix="use y.astype(int) for labels, or leave classes out for regression",
        )
    wrong = ~((rows >= 0).all(axis=1) & (np.abs(rows.sum(axis=1) - 1) < 1e-4))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            "y",
            expected="rows of probabilities that sum to 1",
            got=f"{rows[row]} in row {row}",
            fix="normalise the rows",
        )
    return rows


def _codes(y: Any, classes: Classes) -> HostArray:
    """Return labels that already are codes 0 … C−1."""
    labels = _labels(as_host(y, "y"))
    if labels.dtype.kind not in "biu":
        raise DataError("y", expected="integers like the training labels", got=f"dtype {labels.dtype}", fix="convert y")
    wrong = (labels < 0) | (labels >= len(classes))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            "y",
            expected=f"codes from 0 to {len(classes) - 1}, as {len(classes)} classes are named",
            got=f"{labels[row]} in row {row}",
            fix="name every class, or leave classes out",
        )
    return labels.astype(np.int64)


def _codes_of_positions(y: Any) -> HostArray:
    """Return labels (N, T) that already are codes, negative where a position does not count."""
    labels = as_host(y, "y")
    if labels.dtype.kind not in "iu" or labels.ndim < 2:
        raise DataError(
            "y",
            expected="integers (N, T) like the training labels",
            got=f"{labels.dtype} of shape {labels.shape}",
            fix="convert y",
        )
    return labels.astype(np.int64)


def _codes_of_names(y: Any, classes: Classes) -> HostArray:
    """Return the position of every label among the names."""
    found, inverse = _distinct(as_host(y, "y"))
    position = {name: code for code, name in enumerate(classes)}
    unknown = [name for name in found if name not in position]
    if unknown:
        raise DataError(
            "y",
            expected=f"labels among the {len(classes)} known classes",
            got=f"{unknown[0]!r}",
            fix="add examples of it to the training data, or name all classes with classes=",
        )
    return np.array([position[name] for name in found], dtype=np.int64)[inverse]


def _distinct(y: HostArray) -> tuple[Classes, HostArray]:
    """Return the sorted names of the distinct labels, and for every example the position of its own (N,)."""
    values, inverse = np.unique(_labels(y), return_inverse=True)
    names = [str(value) for value in values.tolist()]
    order = _order(names)
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    return tuple(names[i] for i in order), rank[inverse]


def _order(names: Sequence[str]) -> HostArray:
    """Return the order of names: as numbers where all are, "9" before "10"."""
    try:
        return np.argsort([float(name) for name in names], kind="stable")
    except ValueError:
        return np.argsort(np.array(names, dtype=np.str_), kind="stable")


def _also_found(y: Any, found: Classes) -> Classes:
    """Return the classes of another split that has some of the training classes; what has none is refused later."""
    try:
        names, _ = _distinct(as_host(y, "y"))
    except DataError:
        return ()
    return names if set(names) & set(found) else ()


def _joined(each: Sequence[Classes]) -> Classes:
    """Return the names of all splits in order."""
    names = list(dict.fromkeys(name for found in each for name in found))
    return tuple(names[i] for i in _order(names))


def _labels(y: HostArray) -> HostArray:
    """Return labels (N,) as integers, booleans or text, which numpy can sort."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if _is_one_hot(y):
        y = y.argmax(axis=1)
    if y.dtype.kind == "f" and (y == np.round(y)).all():
        y = y.astype(np.int64)
    if y.ndim != 1:
        raise DataError(
            "y",
            expected="one label per example, shape (N,)",
            got=f"shape {y.shape}",
            fix="use y.argmax(axis=1) for one-hot labels, or floats for several regression targets",
        )
    if not len(y):
        raise DataError("y", expected="an array of at least one label", got="an empty one", fix="pass examples")
    if y.dtype.kind == "O":
        y = _from_objects(y)
    if y.dtype.kind == "S":
        try:
            return np.char.decode(y, "utf-8")
        except UnicodeDecodeError as error:
            fix = "decode them: np.char.decode(y, 'latin-1'), for example"
            raise DataError("y", expected="labels in UTF-8", got=repr(error.object), fix=fix) from error
    if y.dtype.kind not in "biuUT":
        raise DataError(
            "y", expected="integer, boolean or text labels, or floats", got=f"dtype {y.dtype}", fix="convert the labels"
        )
    return y


def _is_one_hot(y: HostArray) -> bool:
    """Tell whether every row is a single 1 among zeros."""
    return bool(y.ndim == 2 and y.dtype.kind in "biuf" and (np.sort(y, axis=1) == [0] * (y.shape[1] - 1) + [1]).all())


def _from_objects(y: HostArray) -> HostArray:
    """Return an object array of only strings, only integers or only booleans as the array it stands for."""
    kind = type(y[0])
    for row, label in enumerate(y):
        if not isinstance(label, (str, int, np.integer, np.bool_)) or type(label) is not kind:
            raise DataError(
                "y",
                expected="labels of one kind: strings, integers or booleans",
                got=f"{label!r} in row {row}",
                fix="drop rows without a label and convert the others to one type",
            )
    return np.array(y.tolist())
