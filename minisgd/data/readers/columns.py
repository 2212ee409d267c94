"""Tables: which column is the target, and whether it holds labels or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np

from minisgd.errors import ArgumentError, DataError
from minisgd.typing import HostArray

_USUAL = ("label", "target", "class", "y")
_FEW = 50  # distinct integers beyond which a column is taken for a quantity, not for classes


def target_column(names: Sequence[str], target: str | None, subject: str) -> int:
    """Return the number of the target column: the one named, or label, target, class, y in this order, or the last.

    Raises:
        ArgumentError: For a name that no column has.
        DataError: For names that are missing or double, and for fewer than two columns.
    """
    for number, name in enumerate(names, start=1):
        if not name.strip() or name in names[: number - 1]:
            raise DataError(
                f"{subject}: column {number}",
                expected="named, and named differently from the others",
                got=repr(name),
                fix="name the column in the header, or remove it",
            )
    if len(names) < 2:
        separated = any(separator in names[0] for separator in ";\t") if names else False
        raise DataError(
            subject,
            expected="a table of at least two columns, features and target",
            got=f"only {names[0]!r}" if names else "no columns",
            fix="separate the columns by commas" if separated else "add a target column",
        )
    lower = [name.strip().lower() for name in names]
    if target is not None:
        if target.strip().lower() not in lower:
            near = get_close_matches(target, names, n=1, cutoff=0.5)
            raise ArgumentError(
                "target",
                expected=f"a column of {subject}",
                got=repr(target),
                fix=f"did you mean {near[0]!r}?" if near else f"choose among {', '.join(names)}",
            )
        return names.index(target) if target in names else lower.index(target.strip().lower())
    return next((lower.index(word) for word in _USUAL if word in lower), len(names) - 1)


def as_target(values: HostArray) -> HostArray:
    """Return a target column (N,) as labels, integer or text, or as float64 numbers for regression.

    Integers are labels where at most 50 differ and each occurs twice on average; otherwise they are quantities.
    """
    if values.dtype.kind in "iu":
        distinct = len(np.unique(values))
        return values if distinct <= min(_FEW, len(values) // 2) else values.astype(np.float64)
    return values
