"""What the commands say about tables: every decision before training, the confusion of classes after it."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from minisgd.cli import output

if TYPE_CHECKING:
    from minisgd.data import Dataset
    from minisgd.data.tables.columns import Decision
    from minisgd.training import Run

MOST_ROWS = 40
"""Columns that are listed one by one."""
MOST_CLASSES = 12
"""Classes whose confusion is printed."""


def announce(data: Dataset, quiet: bool) -> None:
    """Print what was decided about the target and every column, with the reason and the option that says otherwise."""
    if quiet:
        return
    if data.target is not None and not data.decisions:
        output.note(f"task: {data.task} ({data.target.reason}); otherwise: --task")
    for text in data.notes:
        output.note(f"read: {text}")
    if data.decisions:
        header = ("column", "taken for", "why", "otherwise")
        output.print_table(header, _rows(data.decisions), left=len(header), stream=sys.stderr)


def _rows(decisions: tuple[Decision, ...]) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str, str]] = [
        (decision.column, decision.kind, decision.reason, decision.option) for decision in decisions
    ]
    if len(rows) <= MOST_ROWS:
        return rows
    told = [row for row in rows if row[1] in ("dropped", "target")][-MOST_ROWS:]
    kinds = Counter(row[1] for row in rows if row not in told)
    return [(f"{count:,} columns", kind, "", "") for kind, count in kinds.items()] + told


def print_confusion(run: Run) -> None:
    """Print how often each class was taken for each, where there are few and more is measured than accuracy."""
    data = run.data
    few = data.classes is not None and len(data.classes) <= MOST_CLASSES
    if data.validation is None or data.task != "classification" or not few or not run.metrics:
        return
    counts = run.confusion_matrix()
    assert data.classes is not None
    print()
    rows = [(name, *(f"{n:,}" for n in row)) for name, row in zip(data.classes, counts.tolist(), strict=True)]
    output.print_table(("true class, taken for:", *data.classes), rows)
