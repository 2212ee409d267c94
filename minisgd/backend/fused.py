"""Methods that a device runs whole: a few launches in place of one for every operation of the vocabulary.

The floors above register what they have for the classes they know, and `Ops.whole` asks here.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])

_FUSED: dict[type, dict[str, Callable[..., Any]]] = {}


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
    if name not in methods or methods.keys() & vars(part).keys():
        return None
    return MethodType(methods[name], part)
