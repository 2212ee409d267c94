"""From a table with its target to a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minisgd.data.dataset import Dataset
from minisgd.data.encoded import encoded
from minisgd.data.tables.cells import as_text
from minisgd.data.tables.columns import TableOptions, decide, require_columns
from minisgd.data.tables.learnable import TableTarget, find_target, usable
from minisgd.data.tables.table import Table
from minisgd.data.target import LabelKind, Target, Task
from minisgd.typing import Seed


def dataset_of(
    table: Table,
    *,
    target: str | Sequence[str] | None,
    task: Task | None = None,
    options: TableOptions,
    validation: float | None,
    seed: Seed,
) -> Dataset:
    """Return a table as a data set: numbers standardized, categories one-hot, regression targets standardized.

    Raises:
        DataError: For a table that nothing can be learned from.
        ArgumentError: For options that do not fit it.
    """
    found = find_target(table, target, task)
    if options.text is None:
        rough = decide(table, found.rows, found.names, options)  # which columns count, where rows with gaps do not
        rows = usable(table, found.rows, rough, options)
    else:
        require_columns([options.text], table, "text")
        rows = found.rows
    y = found.y if found.y.dtype == np.int64 else found.y.astype(np.float64)
    fields = encoded(
        table, y, None, rows=rows, name=f"{table.source}, target {', '.join(map(repr, found.names))}",
        target=Target(found.guess.task, found.guess.reason, found.names, label_kind_of(table, found)),
        classes=found.classes if found.guess.task != "multilabel" else found.names,
        options=options, validation=validation, seed=seed,
    )  # fmt: skip
    fields["decisions"] += tuple(found.decisions(len(table)))
    return Dataset(**fields).with_standardized_target()


def label_kind_of(table: Table, found: TableTarget) -> LabelKind:
    """Return what the classes were in the table."""
    name = found.names[0]
    if len(found.names) > 1 or name not in table.place or found.classes is None:
        return "text"
    if name in table.booleans:
        return "boolean"
    whole = all(value.lstrip("-").isdecimal() for value in as_text(table, name).values)
    return "integer" if whole else "number"
