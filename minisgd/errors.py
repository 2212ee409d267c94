"""Every refusal says the same four things: which argument, what was expected, what came, and the fix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = [
    "ArgumentError",
    "CheckpointError",
    "DataError",
    "DivergedError",
    "DtypeError",
    "MemoryLimitError",
    "MinisgdError",
    "MissingExtraError",
    "OutputError",
    "ShapeError",
]


class MinisgdError(Exception):
    """Report a failure: which argument, what was expected, what came, and the fix.

    str(error) reads ``argument must be expected, got …; fix``.

    Args:
        argument: The argument, file or layer that is refused.
        expected: What it must be.
        got: What it is.
        fix: What to do about it.
    """

    exit_code = 1

    def __init__(self, argument: str, *, expected: str, got: object, fix: str) -> None:
        self.argument, self.expected, self.got, self.fix = argument, expected, got, fix
        super().__init__(f"{argument} must be {expected}, got {_short(got)}; {fix}")

    def __reduce__(self) -> tuple[Any, ...]:
        # exceptions travel between worker processes; the default would lose the keyword arguments
        return _rebuild, (type(self), self.argument, self.expected, str(self.got), self.fix)


class ArgumentError(MinisgdError, ValueError):
    """Refuse the value of an argument."""

    exit_code = 2


class ShapeError(ArgumentError):
    """Refuse an array whose shape does not fit."""


class DtypeError(ArgumentError, TypeError):
    """Refuse an array or argument of the wrong type, or one that lives on the wrong device."""


class DataError(MinisgdError, ValueError):
    """Refuse a data set or file that cannot be read or learned from."""


class DivergedError(MinisgdError, ArithmeticError):
    """Report a training run whose loss or weights stopped being finite."""

    run: Any = None
    """The ``ms.Run`` up to there: its history, and the weights that ``BestWeights`` put back, if it watched."""

    def __reduce__(self) -> tuple[Any, ...]:
        return *super().__reduce__(), {"run": self.run}


class MemoryLimitError(MinisgdError, MemoryError):
    """Report work that does not fit into the memory limit even with micro-batches of one example."""


class CheckpointError(MinisgdError, ValueError):
    """Refuse a weights file that does not belong to the network, or cannot be read."""


class OutputError(MinisgdError, OSError):
    """Report a destination that cannot be written."""

    def __str__(self) -> str:
        return str(self.args[0])


class MissingExtraError(MinisgdError, ImportError):
    """Name the optional dependency that is not installed, and the command that installs it."""


@contextmanager
def missing_extra(argument: str, *, expected: str, got: str, fix: str) -> Iterator[None]:
    """Refuse what a failed import of this block would have been for.

    Raises:
        MissingExtraError: Instead of the ImportError.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(argument, expected=expected, got=got, fix=fix) from error


def _short(value: object) -> str:
    text = value if isinstance(value, str) and value.strip() else repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


def _rebuild(kind: type[MinisgdError], argument: str, expected: str, got: str, fix: str) -> MinisgdError:
    return kind(argument, expected=expected, got=got, fix=fix)
