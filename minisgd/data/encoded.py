"""A table and its targets as the splits of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np

from minisgd.data.checks import about
from minisgd.data.holdout import generator, hold_out, require_fraction
from minisgd.data.labels import Classes
from minisgd.data.split import Split, require_length
from minisgd.data.tables.columns import TableOptions, decide
from minisgd.data.tables.encoding import Encoding
from minisgd.data.tables.table import Table
from minisgd.data.tables.text_column import TextEncoding
from minisgd.data.target import Target
from minisgd.typing import HostArray, Seed


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
) -> dict[str, Any]:
    """Return the fields of a data set: rows held out, columns decided and encoded by the training rows alone.

    y (N,) or (N, O), as a Split has it   weight (N,)   rows: the numbers of those to use, by default all
    The columns that the target is called do not count.
    """
    rows = np.arange(len(table)) if rows is None else rows
    with about(table.source):
        for argument, array in (("y", y), ("weight", weight)):
            if array is not None:
                require_length(argument, array, len(table))
        stay, held = _held_out(y, classes, rows, validation, seed)
    encoding: Encoding | TextEncoding
    if options.text is None:
        decisions = decide(table, stay, target.names, options)
        encoding = Encoding.fit(table, stay, decisions, options)
    else:
        encoding = TextEncoding.fit(table, stay, options.text)
        decisions = encoding.decisions(table, target.names)

    def split(rows: HostArray) -> Split:
        return Split(encoding.apply(table, rows), y[rows], None if weight is None else weight[rows])

    return {
        "name": name,
        "train": split(stay),
        "validation": None if held is None else split(held),
        "classes": classes,
        "target": target,
        "encoding": encoding,
        "columns": tuple(
            column for column in table.names if column not in target.names and options.text in (None, column)
        ),
        "decisions": tuple(decisions),
        "notes": table.notes,
    }


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
