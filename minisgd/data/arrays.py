"""From arrays or data frames with their targets to a data set: the task decided, all parts read alike, one held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from minisgd.checks import as_float, as_items, is_integer
from minisgd.data.checks import about, as_features, as_host, as_sparse, as_weight, without_objects
from minisgd.data.encoded import encoded
from minisgd.data.holdout import divided
from minisgd.data.labels import Classes, Encode, target_encoder
from minisgd.data.split import Split
from minisgd.data.standardization import Standardization
from minisgd.data.tables.cells import as_text
from minisgd.data.tables.columns import TableOptions
from minisgd.data.tables.encoding import Encoding
from minisgd.data.tables.frames import as_table, is_frame, read_frame
from minisgd.data.tables.table import Table
from minisgd.data.tables.text_column import TextEncoding
from minisgd.data.target import Guess, Target, Task, guess_array, label_kind, require_task
from minisgd.errors import ArgumentError, DataError
from minisgd.sparse import SparseRows, is_sparse
from minisgd.typing import HostArray, Seed


class Part(NamedTuple):
    """A part of the data as it came, but without the rows of weight 0, which do not even name a class.

    x (N, …) or a table of N rows   y (N,) or (N, O)   weight (N,) or None
    """

    x: Any
    y: HostArray
    weight: HostArray | None

    @classmethod
    def of(cls, x: Any, y: Any, weight: Any = None) -> Part:
        _require_one_order(x, y)
        x = as_sparse(x) if is_sparse(x) else read_frame(x, "x") if is_frame(x) else x
        y = without_objects(as_host(y, "y"))
        if weight is None:
            return cls(x, y, None)
        weight = as_weight(weight)
        x = x if isinstance(x, Table | SparseRows) else as_host(x, "x")
        alike = weight.ndim == 1 and min(np.ndim(y), getattr(x, "ndim", 2)) > 0 and len(weight) == len(x) == len(y)
        if alike and 0 < np.count_nonzero(weight) < len(weight):
            rows = np.flatnonzero(weight)
            x, y, weight = x.take(rows) if isinstance(x, Table) else x[rows], y[rows], weight[rows]
        return cls(x, y, weight)

    def split(
        self,
        encode: Encode,
        encoding: Encoding | TextEncoding | None = None,
        columns: Sequence[str] = (),
        standardization: Standardization | None = None,
    ) -> Split:
        """Return the part prepared as the training examples were."""
        if encoding is not None:
            x = encoding.apply(as_table(self.x, columns))
        elif isinstance(self.x, Table):
            raise DataError("x", expected="an array like the training examples", got="a data frame", fix="convert it")
        else:
            x = as_features(self.x)
            if standardization is not None:
                x = standardization.apply(x if x.dtype.kind == "f" else x.astype(np.float32))
        return Split(x, encode(self.y), self.weight)


def read_arrays(
    x: Any,
    y: Any,
    *,
    validation: float | tuple[Any, ...] | Split | None,
    test: tuple[Any, ...] | Split | None,
    weight: Any,
    classes: Classes | None,
    scale: float | None,
    seed: Seed,
    name: str,
    task: Task | None,
) -> dict[str, Any]:
    """Return the fields of a data set: see ``Dataset.from_arrays``."""
    train, fraction = Part.of(x, y, weight), None
    given: dict[str, Any] = {"validation": validation, "test": test}
    if isinstance(validation, Real):
        fraction = as_float(given.pop("validation"))
    others = {role: given_part(part, role) for role, part in given.items() if part is not None}
    targets = [train.y, *(part.y for part in others.values())]
    target, encode, classes = _target(targets, None if classes is None else _class_names(classes), task)
    if isinstance(train.x, Table):
        if scale is not None:
            raise ArgumentError("scale", expected="left out for a data frame", got=scale, fix="leave it out")
        target = replace(target, names=_names(y))
        _require_target(train.x, train.y, target.names)
        fields = encoded(
            train.x, encode(train.y), train.weight, name=name, target=target, classes=classes, options=TableOptions(),
            validation=fraction, seed=seed,
        )  # fmt: skip
    else:
        split, held = train.split(encode), None
        if fraction is not None:
            split, held = divided(split, fraction, classes, seed)
        fields = {
            "name": name, "train": split, "validation": held, "classes": classes, "target": target,
            "scale": _scale(split.x) if scale is None else scale,
        }  # fmt: skip
    for role, part in others.items():
        with about(role):
            fields[role] = part.split(encode, fields.get("encoding"), fields.get("columns", ()))
    return fields


def given_part(part: Any, role: str) -> Part:
    """Return a split given as (x, y) or (x, y, weight), or as a Split."""
    part = (part.x, part.y, part.weight) if isinstance(part, Split) else part
    if not isinstance(part, tuple) or len(part) not in (2, 3):
        raise ArgumentError(role, expected="(x, y) or (x, y, weight)", got=type(part), fix="pass a tuple")
    with about(role):
        return Part.of(*part)


def _class_names(classes: Any) -> Classes:
    """Return the names of the classes as text; whole numbers may be names."""
    expected, fix = "the names of the classes", "for example ('cat', 'dog')"
    names = as_items(classes, "classes", expected, fix)
    if not all(isinstance(name, str) or is_integer(name) for name in names):
        raise ArgumentError("classes", expected=expected, got=names, fix=fix)
    return tuple(map(str, names))


def _target(parts: Sequence[Any], classes: Classes | None, task: Task | None) -> tuple[Target, Encode, Classes | None]:
    """Decide from the targets of all splits, training first, what there is to learn and how they are read."""
    require_task(task)
    y = parts[0]
    if classes is not None:
        encode, classes = target_encoder(y, classes)
        return Target("classification", "classes are named"), encode, classes
    guess = guess_array(y) if task is None else Guess(task, "you said so")
    encode, classes = target_encoder(y, None, guess.task, parts[1:])
    kind = label_kind(y)
    if guess.task == "classification" and (kind == "number" or (kind != "text" and y.ndim > 1 and y.shape[1] > 1)):
        kind = "integer"  # only whole numbers are labels, and one-hot rows stand for the number of a column
    if guess.task == "multilabel":
        classes = tuple(map(str, range(y.shape[1] if y.ndim > 1 else 1)))
    return Target(guess.task, guess.reason, labels=kind), encode, classes


def _names(y: Any) -> tuple[str, ...]:
    """Return what the target columns are called, if they are pandas', polars' or pyarrow's."""
    columns = getattr(y, "columns", None)
    names = [getattr(y, "name", None)] if columns is None else list(columns)
    return () if None in names else tuple(map(str, names))


def _require_target(table: Table, y: HostArray, names: Sequence[str]) -> None:
    """Refuse a column of features that is called like a target and holds something else: it would be left out."""
    for k, name in enumerate(names):
        if name in table.names:
            own, there = (as_text(t, name) for t in (Table.of("y", {name: y[:, k] if y.ndim > 1 else y}), table))
            if not np.array_equal(own.strings(), there.strings()):
                fix = f"leave the column {name!r} out of x, or rename it: it does not hold the target"
                raise DataError("y", expected="called unlike the columns of x", got=repr(name), fix=fix)


def _require_one_order(x: Any, y: Any) -> None:
    """Refuse pandas objects whose rows are the same in another order: they are paired by position."""
    mine: Any = getattr(x, "index", None)
    other: Any = getattr(y, "index", None)
    if not (hasattr(mine, "equals") and hasattr(other, "equals")) or mine.equals(other):
        return
    if len(mine) == len(other) and mine.is_unique and other.is_unique and mine.isin(other).all():
        raise DataError(
            "y",
            expected="in the order of x, as rows are paired by position",
            got="the same index in another order",
            fix="pass y.loc[x.index]",
        )


def _scale(x: HostArray) -> float:
    """Bring uint8 to [0, 1]: images by 1/255, tables by their largest value, so that 0/1 columns stay 0/1."""
    if x.dtype != np.uint8:
        return 1.0
    return 1 / 255 if x.ndim > 2 else 1 / max(1, int(x.max()))
