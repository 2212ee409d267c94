"""Arrays lent to layers and losses for as long as a network is bound, told apart from those that they own."""

from __future__ import annotations

from typing import Any, Self, TypeVar

import numpy as np

from minisgd.typing import HostArray


class Borrower:
    """What arrays are lent to. A shallow copy shares them; a pickle or a deep copy is without them."""

    _lent: frozenset[str] = frozenset()

    def __copy__(self) -> Self:
        duplicate = object.__new__(type(self))
        vars(duplicate).update(vars(self))
        return duplicate

    def __getstate__(self) -> dict[str, Any]:
        return own_attributes(self)


BorrowerT = TypeVar("BorrowerT", bound=Borrower)


def lend(owner: Any, name: str, array: Any) -> None:
    """Set an attribute of a layer or loss to an array that its copies shall not have."""
    setattr(owner, name, array)
    owner._lent = owner._lent | {name}


def own_attributes(owner: Borrower) -> dict[str, Any]:
    """Return the attributes of a layer or loss without the arrays lent to it."""
    return {name: value for name, value in vars(owner).items() if name not in owner._lent and name != "_lent"}


def without_lent(owner: BorrowerT) -> BorrowerT:
    """Return a copy of a layer or loss without the arrays lent to it; arrays of its own are copied."""
    duplicate = object.__new__(type(owner))
    for name, value in own_attributes(owner).items():
        is_array = hasattr(value, "dtype") and hasattr(value, "copy")
        vars(duplicate)[name] = value.copy() if is_array else value
    return duplicate


def read_only(array: HostArray) -> HostArray:
    """Return a view that functions of one's own may read, and not write."""
    view: HostArray = np.asarray(array).view()
    view.flags.writeable = False
    return view
