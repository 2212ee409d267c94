"""What an argument must be, whichever function takes it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeGuard

from minisgd.errors import ArgumentError, DtypeError

LONGEST = 255
"""Letters in the name of a file or folder that any file system takes."""


def is_integer(value: object) -> TypeGuard[int]:
    """Tell whether a value is an integer, Python's or NumPy's; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value is a real number, Python's or NumPy's; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def as_seed(value: Any, argument: str = "seed") -> int:
    """Return a seed, an integer of at least 0."""
    if not is_integer(value) or value < 0:
        raise ArgumentError(argument, expected="an integer ≥ 0", got=repr(value), fix=f"use {argument}=0")
    return below_2_to_63(value, argument, f"use {argument}=0")


def as_path(value: Any, argument: str, kind: str = "file") -> Path:
    """Return the path of a file or folder that may be there or not."""
    example = f"for example 'runs/a{'.safetensors' if kind == 'file' else ''}'"
    if isinstance(value, bytes) or not isinstance(value, str | os.PathLike):
        raise DtypeError(argument, expected=f"the path of a {kind}", got=repr(value), fix=example)
    if not str(value).strip() or "\0" in str(value) or any(len(part) > LONGEST for part in Path(value).parts):
        raise ArgumentError(argument, expected=f"the path of a {kind}", got=repr(str(value)), fix=example)
    return Path(value)


def shown(value: object) -> object:
    """Return a value as a message shows it: text in quotes, which tell '10' from 10."""
    return repr(value) if isinstance(value, str) else value


def is_iterable(value: object) -> TypeGuard[Iterable[Any]]:
    """Tell whether a value has items; an array without axes has none."""
    return isinstance(value, Iterable) and getattr(value, "ndim", 1) != 0


def as_items(value: Any, argument: str, expected: str, fix: str) -> list[Any]:
    """Return the items of a list, a tuple or the like; text is one item, and so refused."""
    if isinstance(value, str | bytes) or not is_iterable(value):
        raise DtypeError(argument, expected=expected, got=value, fix=fix)
    return list(value)


def require_kind(value: Any, kind: type | tuple[type, ...], argument: str, expected: str, fix: str) -> None:
    """Refuse an object of another class, and a class that was not called."""
    if not isinstance(value, kind):
        if isinstance(value, type) and issubclass(value, kind):
            fix = f"call it: {value.__name__}(…)"
        raise DtypeError(argument, expected=expected, got=repr(value), fix=fix)


def require_flag(value: Any, argument: str) -> bool:
    """Return True or False, and refuse what is only like them."""
    if not isinstance(value, bool):
        raise DtypeError(argument, expected="True or False", got=repr(value), fix=f"write {argument}=True, or leave it")
    return value


def is_word(value: object, choices: Collection[str | None]) -> bool:
    """Tell whether a value is one of some words, or None where that is one of them; a list or an array is none."""
    return (value is None or isinstance(value, str)) and value in choices


def require_one_of(value: Any, choices: Collection[str], argument: str) -> None:
    """Refuse all but some words."""
    if not is_word(value, choices):
        allowed = f"one of {', '.join(map(repr, choices))}"
        raise ArgumentError(argument, expected=allowed, got=repr(value), fix=f"use {next(iter(choices))!r}")


def require_function(value: Any, argument: str, of: str) -> None:
    """Refuse what cannot be called; None stands for no function."""
    if value is not None and not callable(value):
        raise DtypeError(argument, expected=f"a function of {of}, or None", got=repr(value), fix="leave it out")


def positive(value: object, argument: str) -> int:
    """Return a positive integer, or refuse the argument."""
    if not is_integer(value) or value < 1:
        raise ArgumentError(argument, expected="a positive integer", got=shown(value), fix="give 1, 2, 3, …")
    return int(value)


def below_2_to_63(value: int, argument: str, fix: str) -> int:
    """Return an integer that arrays can hold, or refuse it."""
    if value >= 1 << 63:
        raise ArgumentError(argument, expected="an integer below 2⁶³", got=repr(value), fix=fix)
    return int(value)


def as_float(value: Any) -> float:
    """Return a number as float: an integer beyond all floats as infinity."""
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def within(interval: str, value: object, argument: str, fix: str) -> float:
    """Return a number of an interval such as "[0, 1)" or "(0, inf)", or refuse the argument."""
    low, high = map(float, interval[1:-1].split(","))
    if is_number(value):
        number = as_float(value)
        if low < number < high or (number == low and interval[0] == "[") or (number == high and interval[-1] == "]"):
            return number
    raise ArgumentError(argument, expected=f"a number in {interval}", got=shown(value), fix=fix)
