"""From arrays or data frames with their targets to a data set: the task decided, all parts read alike, one held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from minisgd.data.checks import about, as_features, as_host, as_weight
from minisgd.data.dataset import Dataset
from minisgd.data.holdout import divided
from minisgd.data.labels import Classes, Encode, label_encoder, target_encoder
from minisgd.data.split import Split
from minisgd.data.tables.columns import TableOptions
from minisgd.data.tables.frames import as_table, is_frame, read_frame
from minisgd.data.tables.table import Table
from minisgd.data.tabular import encoded
from minisgd.data.target import Guess, Target, Task, guess_array, label_kind, require_task
from minisgd.errors import ArgumentError, DataError
from minisgd.typing import HostArray, Seed


class _Part(NamedTuple):
    """A part of the data as it came, but without the rows of weight 0, which do not even name a class.

    x (N, …) or a table of N rows   y (N,) or (N, O)   weight (N,) or None
    """

    x: Any
    y: HostArray
    weight: HostArray | None

    @classmethod
    def of(cls, x: Any, y: Any, weight: Any = None) -> _Part:
        _require_one_order(x, y)
        x, y = read_frame(x, "x") if is_frame(x) else x, as_host(y, "y")
        if weight is None:
            return cls(x, y, None)
        weight = as_weight(weight)
        if weight.ndim == 1 and 0 < np.count_nonzero(weight) < len(weight) == len(x) == y.size // max(1, y[:1].size):
            rows = np.flatnonzero(weight)
            x = x.take(rows) if isinstance(x, Table) else as_host(x, "x")[rows]
            y, weight = y[rows], weight[rows]
        return cls(x, y, weight)

    def split(self, like: Dataset, encode: Encode) -> Split:
        """Return the part prepared as the training examples of a data set were."""
        if like.encoding is not None:
            x = like.encoding.apply(as_table(self.x, like.columns))
        elif isinstance(self.x, Table):
            raise DataError("x", expected="an array like the training examples", got="a data frame", fix="convert it")
        else:
            x = as_features(self.x)
            if like.standardization is not None:
                x = like.standardization.apply(x if x.dtype.kind == "f" else x.astype(np.float32))
        return Split(x, encode(self.y), self.weight)


def dataset_of_arrays(
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
    standardize_target: bool,
) -> Dataset:
    """Build a data set: see ``Dataset.from_arrays``."""
    train, fraction = _Part.of(x, y, weight), None
    given: dict[str, Any] = {"validation": validation, "test": test}
    if isinstance(validation, (int, float, np.number)):
        fraction = float(given.pop("validation"))
    others = {role: _given(part, role) for role, part in given.items() if part is not None}
    targets = [train.y, *(part.y for part in others.values())]
    target, encode, classes = _target(targets, None if classes is None else tuple(classes), task)
    if isinstance(train.x, Table):
        if scale is not None:
            raise ArgumentError("scale", expected="left out for a data frame", got=scale, fix="leave it out")
        target = replace(target, names=_names(y))
        data = encoded(
            train.x, encode(train.y), train.weight, name=name, target=target, classes=classes, options=TableOptions(),
            validation=fraction, seed=seed,
        )  # fmt: skip
    else:
        split, held = Split(as_features(train.x), encode(train.y), train.weight), None
        if fraction is not None:
            split, held = divided(split, fraction, classes, seed)
        data = Dataset(name, split, held, None, classes, _scale(split.x) if scale is None else scale, target=target)
    data = _with_splits(data, others, encode)
    return data.with_standardized_target() if standardize_target else data


def with_validation(data: Dataset, given: Any) -> Dataset:
    """Return a data set with (x, y) or (x, y, weight) as its validation split, prepared as its training examples were.

    Targets are labels or values as they were in the training data, not codes or standardized values.
    """
    target = data.target
    encode = label_encoder(data.train.y, data.classes, target.labels if target else "text")
    data = _with_splits(data, {"validation": _given(given, "validation")}, encode)
    if target is None or target.scale is None or data.validation is None:
        return data
    return replace(data, validation=replace(data.validation, y=target.scale.apply(data.validation.y)))


def _with_splits(data: Dataset, parts: dict[str, _Part], encode: Encode) -> Dataset:
    splits: dict[str, Any] = {}
    for role, part in parts.items():
        with about(role):
            splits[role] = part.split(data, encode)
    return replace(data, **splits)


def _given(part: Any, role: str) -> _Part:
    part = (part.x, part.y, part.weight) if isinstance(part, Split) else part
    if not isinstance(part, tuple) or len(part) not in (2, 3):
        raise ArgumentError(role, expected="(x, y) or (x, y, weight)", got=type(part), fix="pass a tuple")
    with about(role):
        return _Part.of(*part)


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
    if guess.task == "classification" and kind == "number":
        kind = "integer"  # only whole numbers are labels
    if guess.task == "multilabel":
        classes = tuple(map(str, range(y.shape[1] if y.ndim > 1 else 1)))
    return Target(guess.task, guess.reason, labels=kind), encode, classes


def _names(y: Any) -> tuple[str, ...]:
    """Return what the target columns are called, if they are pandas', polars' or pyarrow's."""
    columns = getattr(y, "columns", None)
    names = [getattr(y, "name", None)] if columns is None else list(columns)
    return () if None in names else tuple(map(str, names))


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
