"""The ranges that hyper-parameters live in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

from minisgd.checks import as_float, below_2_to_63, is_integer, is_number
from minisgd.errors import ArgumentError, DtypeError


def number(argument: str, value: object, expected: str, fix: str) -> float:
    """Return a finite number as float.

    Raises:
        DtypeError: For anything but a number (True is not one).
        ArgumentError: For NaN and infinity.
    """
    if not is_number(value):
        raise DtypeError(argument, expected=expected, got=value, fix=fix)
    if not isfinite(as_float(value)):
        raise ArgumentError(argument, expected=expected, got=value, fix=fix)
    return float(value)


def positive(argument: str, value: object, fix: str) -> float:
    """Return a number in (0, ∞)."""
    return _within(argument, value, "a positive number", fix, lambda x: x > 0)


def non_negative(argument: str, value: object, fix: str) -> float:
    """Return a number in [0, ∞)."""
    return _within(argument, value, "a number of at least 0", fix, lambda x: x >= 0)


def decay_rate(argument: str, value: object, fix: str) -> float:
    """Return a number in [0, 1): the share of an average that survives a step."""
    return _within(argument, value, "a number in [0, 1)", fix, lambda x: 0 <= x < 1)


def share(argument: str, value: object, fix: str) -> float:
    """Return a number in (0, 1]."""
    return _within(argument, value, "a number in (0, 1]", fix, lambda x: 0 < x <= 1)


def _within(argument: str, value: object, expected: str, fix: str, holds: Callable[[float], bool]) -> float:
    x = number(argument, value, expected, fix)
    if not holds(x):
        raise ArgumentError(argument, expected=expected, got=value, fix=fix)
    return x


def count(argument: str, value: object, fix: str) -> int:
    """Return an integer of at least 1."""
    expected = "an integer of at least 1"
    if not is_integer(value):
        raise DtypeError(argument, expected=expected, got=value, fix=fix)
    if value < 1:
        raise ArgumentError(argument, expected=expected, got=value, fix=fix)
    return below_2_to_63(value, argument, fix)


def decay_rates(argument: str, value: Any, fix: str) -> tuple[float, float]:
    """Return two numbers in [0, 1)."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise DtypeError(argument, expected="two numbers in [0, 1)", got=value, fix=fix)
    return decay_rate(f"{argument}[0]", value[0], fix), decay_rate(f"{argument}[1]", value[1], fix)
