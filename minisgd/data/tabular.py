"""From a table to a data set: target found, rows held out, columns decided and encoded by the training rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from minisgd.data.checks import about
from minisgd.data.dataset import Dataset
from minisgd.data.holdout import generator, require_fraction
from minisgd.data.split import Split
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
    with about(table.source):
        stay, held = _held_out(found, rows, validation, seed)
    decisions = decide(table, stay, found.names, options)
    encoding = Encoding.fit(table, stay, decisions, options)
    kind = label_kind_of(table, found)
    data = Dataset(
        f"{table.source}, target {', '.join(map(repr, found.names))}",
        Split(encoding.apply(table, stay), _targets(found, stay)),
        None if held is None else Split(encoding.apply(table, held), _targets(found, held)),
        classes=found.classes if found.guess.task != "multilabel" else found.names,
        target=Target(found.guess.task, found.guess.reason, found.names, kind),
        encoding=encoding,
        columns=tuple(name for name in table.names if name not in found.names),
        decisions=(*decisions, *found.decisions(len(table))),
    )
    data = data.with_standardized_target()
    return replace(data, notes=table.notes)


def label_kind_of(table: Table, found: TableTarget) -> LabelKind:
    """Return what the classes were in the table."""
    name = found.names[0]
    if len(found.names) > 1 or name not in table.numeric or found.classes is None:
        return "text"
    if name in table.booleans:
        return "boolean"
    whole = all(value.lstrip("-").isdecimal() for value in as_text(table, name).values)
    return "integer" if whole else "number"


def _targets(found: TableTarget, rows: HostArray) -> HostArray:
    y = found.y[rows]
    return y if y.dtype == np.int64 else y.astype(np.float64)


def _held_out(
    found: TableTarget, rows: HostArray, validation: float | None, seed: Seed
) -> tuple[HostArray, HostArray | None]:
    """Return the numbers of the training rows and of those held out, every class in both parts."""
    fraction = require_fraction(validation)
    if fraction == 0:
        return rows, None
    if found.classes is None or found.y.ndim > 1:
        groups = np.zeros(len(rows), dtype=np.int64)
    else:
        groups = found.y[rows]
    stay, held = hold_out(groups, fraction, generator(seed))
    return rows[stay], rows[held]
