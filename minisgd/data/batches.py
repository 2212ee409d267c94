"""Batches from a generator, a PyTorch DataLoader or any other iterable, read once into memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minisgd.data.tables.frames import is_frame
from minisgd.errors import DataError
from minisgd.typing import HostArray


def is_batches(data: Any) -> bool:
    """Tell whether something yields batches: an iterable that is no array, no frame, no pair and no text."""
    if isinstance(data, tuple | list | str | bytes) or hasattr(data, "shape") or is_frame(data):
        return False
    return hasattr(data, "__iter__")


def read_batches(batches: Iterable[Any]) -> tuple[HostArray, HostArray]:
    """Return the examples (N, …) and targets (N, …) of all batches (x, y), in their order.

    Raises:
        DataError: If there is no batch, or one is no pair (x, y) of arrays like those before it.
    """
    parts: list[tuple[HostArray, HostArray]] = []
    for number, batch in enumerate(batches):
        if not isinstance(batch, Sequence) or isinstance(batch, str) or len(batch) != 2:
            got = f"a {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, Sequence) else "")
            raise DataError(f"data: batch {number}", expected="a pair (x, y)", got=got, fix="yield x, y")
        parts.append((_host(batch[0]), _host(batch[1])))
    if not parts:
        raise DataError(
            "data", expected="at least one batch (x, y)", got="none", fix="pass a generator anew: it is empty"
        )
    try:
        x, y = (np.concatenate([np.atleast_1d(part[k]) for part in parts]) for k in (0, 1))
    except ValueError as error:
        fix = "let all batches have examples of one shape"
        raise DataError("data", expected="batches that fit together", got=str(error), fix=fix) from error
    return x, y


def _host(array: Any) -> HostArray:
    """Return an array, or a tensor of PyTorch, as a NumPy array."""
    return np.asarray(array.detach().cpu() if hasattr(array, "detach") else array)
