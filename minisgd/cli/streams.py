"""stdout and stderr that may be closed, full or gone: work goes on, and what could not be told is said once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TextIO, cast

from minisgd.errors import MinisgdError


class Unreported(Exception):
    """A result that could not be written to stdout."""


@contextmanager
def opened() -> Iterator[None]:
    """Put the null device where stdout or stderr is closed: else the next file to be opened would take its place.

    Raises:
        Unreported: If stdout was closed, or could not take all that was written to it.
        BrokenPipeError: If whoever read it has gone.
    """
    closed = sys.stdout is None
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115 - for good
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors != "backslashreplace":
        sys.stdout.reconfigure(errors="backslashreplace")  # for letters that its encoding does not have
    try:
        yield
        sys.stdout.flush()
    except (MinisgdError, BrokenPipeError):
        raise
    except OSError as problem:
        if problem.filename is not None:
            raise
        # files that cannot be written are refused by name: what has none is a stream
        raise Unreported(f"stdout could not be written ({problem.strerror})") from problem
    if closed:
        raise Unreported("stdout is closed")


def settle() -> None:
    """Write out what is buffered; what cannot be written is given up, so that the exit code stays."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            if stream is not None:
                abandon(stream)


def abandon(stream: TextIO) -> None:
    """Send what is still buffered nowhere, so that the interpreter's last flush does not complain."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):  # not a file, as in a test
        pass


def report(text: str) -> None:
    """Print a line to stderr, if it can be."""
    stream = cast("TextIO | None", sys.stderr)
    try:
        print(text, file=stream, flush=True)
    except (OSError, ValueError):
        if stream is not None:
            abandon(stream)
