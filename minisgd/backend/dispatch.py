"""Methods that a device runs whole: a few launches in place of one for every operation of the vocabulary.

The floors above register what they have for the classes they know, and `Ops.whole` asks here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MethodType
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])

_FUSED: dict[type, dict[str, Callable[..., Any]]] = {}
_JOINED: dict[tuple[type, type, str], Callable[[Any, Any], Any]] = {}


def fused(kind: type, name: str) -> Callable[[Method], Method]:
    """Register a function as the fused version of a method of a class: same arguments, same results."""

    def register(function: Method) -> Method:
        _FUSED.setdefault(kind, {})[name] = function
        return function

    return register


def fused_method(part: object, name: str) -> Callable[..., Any] | None:
    """Return the fused version of a method, or None: for a subclass, or where somebody has replaced a method.

    Forward and backward may share what they keep, so one replaced method (a trace listens in) leaves all plain.
    """
    methods = _FUSED.get(type(part), {})
    return MethodType(methods[name], part) if name in methods and _as_written(part) else None


def joins(first: type, second: type, name: str) -> Callable[[Method], Method]:
    """Register what makes one part of two neighbours, whose method does what theirs do one after the other."""

    def register(function: Method) -> Method:
        _JOINED[first, second, name] = function
        return function

    return register


def join_neighbours(parts: Sequence[Any], name: str) -> list[Any]:
    """Return the parts in their order, two neighbours as one part wherever that is registered for a method."""
    joined: list[Any] = []
    for part in parts:
        join = _JOINED.get((type(joined[-1]), type(part), name)) if joined else None
        if join is not None and _as_written(joined[-1]) and _as_written(part):
            joined[-1] = join(joined[-1], part)
        else:
            joined.append(part)
    return joined


def _as_written(part: object) -> bool:
    """Tell whether nobody has replaced a method of this very object."""
    return not any(callable(getattr(type(part), name, None)) for name in vars(part))
