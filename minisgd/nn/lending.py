"""Arrays lent to layers and losses for as long as a network is bound, told apart from those that they own."""

from __future__ import annotations

from copy import copy
from typing import Any


def lend(owner: Any, name: str, array: Any) -> None:
    """Set an attribute of a layer or loss to an array that its copies shall not have."""
    setattr(owner, name, array)
    owner._lent = lent_to(owner) | {name}


def lent_to(owner: Any) -> frozenset[str]:
    """Return the names of the arrays that were lent to a layer or loss."""
    names: frozenset[str] = getattr(owner, "_lent", frozenset())
    return names


def without_lent(owner: Any) -> Any:
    """Return a copy of a layer or loss without the arrays lent to it; arrays of its own are copied."""
    duplicate = copy(owner)
    for name in (*lent_to(duplicate), "_lent"):
        vars(duplicate).pop(name, None)
    for name, value in vars(duplicate).items():
        if hasattr(value, "dtype") and hasattr(value, "copy"):
            setattr(duplicate, name, value.copy())
    return duplicate
