"""From a table to a data set: target found, rows held out, columns decided and encoded by the training rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from minisgd.data.checks import about
from minisgd.data.dataset import Dataset
from minisgd.data.holdout import generator, require_fraction
from minisgd.data.labels import Classes
from minisgd.data.split import Split, require_length
from minisgd.data.splitting import hold_out
from minisgd.data.tables.cells import as_text
from minisgd.data.tables.columns import TableOptions, decide
from minisgd.data.tables.encoding import Encoding
from minisgd.data.tables.learnable import TableTarget, find_target, usable
from minisgd.data.tables.table import Table
from minisgd.data.target import LabelKind, Target, Task, require_task
from minisgd.typing import HostArray, Seed


def dataset_of(
    table: Table,
    *,
    target: str | Sequence[str] | None = None,
    task: Task | None = None,
    options: TableOptions | None = None,
    validation: float | None = 0.2,
    seed: Seed = 0,
) -> Dataset:
    """Return a table as a data set: numbers standardized, categories one-hot, regression targets standardized.

    Raises:
        DataError: For a table that nothing can be learned from.
        ArgumentError: For options that do not fit it.
    """
    options = options or TableOptions()
    require_task(task)
    found = find_target(table, target, task)
    rough = decide(table, found.rows, found.names, options)  # which columns count, where rows with gaps do not
    rows = usable(table, found.rows, rough, options)
    y = found.y if found.y.dtype == np.int64 else found.y.astype(np.float64)
    data = encoded(
        table, y, None, rows=rows, name=f"{table.source}, target {', '.join(map(repr, found.names))}",
        target=Target(found.guess.task, found.guess.reason, found.names, label_kind_of(table, found)),
        classes=found.classes if found.guess.task != "multilabel" else found.names,
        options=options, validation=validation, seed=seed,
    )  # fmt: skip
    return replace(data, decisions=(*data.decisions, *found.decisions(len(table)))).with_standardized_target()


def encoded(
    table: Table,
    y: HostArray,
    weight: HostArray | None,
    *,
    name: str,
    target: Target,
    classes: Classes | None,
    options: TableOptions,
    validation: float | None,
    seed: Seed,
    rows: HostArray | None = None,
) -> Dataset:
    """Return a table and its targets as a data set, columns decided and encoded by the training rows alone.

    y (N,) or (N, O), as a Split has it   weight (N,)   rows: the numbers of those to use, by default all
    The columns that the target is called do not count.
    """
    rows = np.arange(len(table)) if rows is None else rows
    with about(table.source):
        for argument, array in (("y", y), ("weight", weight)):
            if array is not None:
                require_length(argument, array, len(table))
        stay, held = _held_out(y, classes, rows, validation, seed)
    decisions = decide(table, stay, target.names, options)
    encoding = Encoding.fit(table, stay, decisions, options)

    def split(rows: HostArray) -> Split:
        return Split(encoding.apply(table, rows), y[rows], None if weight is None else weight[rows])

    return Dataset(
        name,
        split(stay),
        None if held is None else split(held),
        classes=classes,
        target=target,
        encoding=encoding,
        columns=tuple(column for column in table.names if column not in target.names),
        decisions=tuple(decisions),
        notes=table.notes,
    )


def label_kind_of(table: Table, found: TableTarget) -> LabelKind:
    """Return what the classes were in the table."""
    name = found.names[0]
    if len(found.names) > 1 or name not in table.numeric or found.classes is None:
        return "text"
    if name in table.booleans:
        return "boolean"
    whole = all(value.lstrip("-").isdecimal() for value in as_text(table, name).values)
    return "integer" if whole else "number"


def _held_out(
    y: HostArray, classes: Classes | None, rows: HostArray, validation: float | None, seed: Seed
) -> tuple[HostArray, HostArray | None]:
    """Return the numbers of the training rows and of those held out, every class in both parts."""
    fraction = require_fraction(validation)
    if fraction == 0:
        return rows, None
    groups = y[rows] if classes is not None and y.ndim == 1 else np.zeros(len(rows), dtype=np.int64)
    stay, held = hold_out(groups, fraction, generator(seed))
    return rows[stay], rows[held]
