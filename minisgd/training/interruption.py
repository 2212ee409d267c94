"""Ctrl-C during a training run: noted at once, obeyed between two updates, so that none is broken off halfway."""

from __future__ import annotations

import signal
import threading
from types import TracebackType
from typing import Self

_noting: list[Interruption] = []
"""Training runs of the main thread that an interrupt ends, the innermost last."""


def interrupt() -> None:
    """Do what Ctrl-C does, even where SIGINT is ignored: a shell script's background jobs begin so.

    Raises:
        KeyboardInterrupt: No training run is there to note it, or it has noted one already.
    """
    if not _noting:
        raise KeyboardInterrupt
    _noting[-1].note()


class Interruption:
    """Note SIGINT instead of raising KeyboardInterrupt; a second one is raised.

    Only in the main thread, and only where nothing else handles the signal.
    """

    def __init__(self) -> None:
        self.requested = False
        self._installed = False

    def __enter__(self) -> Self:
        ours = threading.current_thread() is threading.main_thread()
        handler = signal.getsignal(signal.SIGINT) if ours else None
        if handler in (signal.default_int_handler, signal.SIG_IGN):
            _noting.append(self)
        if handler is signal.default_int_handler:
            signal.signal(signal.SIGINT, lambda number, frame: self.note())
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self in _noting:
            _noting.remove(self)
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def note(self) -> None:
        """Ask for an end after the update that is running.

        Raises:
            KeyboardInterrupt: It was asked for before.
        """
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
