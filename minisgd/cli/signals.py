"""Signals that end a process: all are treated like Ctrl-C, and told apart by the exit code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT
"""What shells report of a program that ended by Ctrl-C."""

_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

_received: list[int] = []


@contextmanager
def treated_as_interrupts() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does, unless somebody has decided otherwise, as nohup does."""
    _received.clear()
    usual = {}
    if threading.current_thread() is threading.main_thread():
        usual = {number: signal.getsignal(number) for number in _ENDING}
    ours = [number for number, handler in usual.items() if handler is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.raise_signal(signal.SIGINT)
        return
    # to import it here might be amid an import that it needs
    interrupt = getattr(sys.modules.get("minisgd.training.interruption"), "interrupt", None)
    if interrupt is None:
        raise KeyboardInterrupt
    interrupt()


def exit_code(code: int) -> int:
    """Return 128 and the number of the signal where a command ended by one, else its own code."""
    return 128 + _received[0] if code == INTERRUPTED and _received else code
