"""What commands write: results to stdout, all else to stderr; both know whether a person is looking."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self, TextIO

from minisgd import files
from minisgd.cli.streams import abandon
from minisgd.errors import OutputError
from minisgd.files import to_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

UNLIMITED = 1000
"""Columns, where no terminal limits them."""

REFRESH = 0.1
"""Seconds between two looks at the progress bar: a step may take microseconds."""


def print_json(document: Any) -> None:
    """Print one JSON document; numbers that are not finite become null."""
    print(to_json(document, indent=2), end="")


def print_text(text: str) -> None:
    """Print a sentence to stdout, broken at the width of the terminal."""
    out = console(sys.stdout)
    out.print(text, markup=False, soft_wrap=not out.is_terminal)


def note(text: str, quiet: bool = False) -> None:
    """Tell the person at the terminal, unless they asked for quiet."""
    if quiet:
        return
    try:
        console(sys.stderr).print(text, markup=False, highlight=False, soft_wrap=not sys.stderr.isatty())
        sys.stderr.flush()
    except OSError:  # stderr is full or gone, which is no reason to end the work
        abandon(sys.stderr)


def console(stream: Any) -> Console:
    """Return a rich console: as wide as the terminal, colours only there and without NO_COLOR."""
    from rich.console import Console

    return Console(file=stream, highlight=False, width=None if stream.isatty() else UNLIMITED)


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: int = 1,
    strong: Callable[[int], bool] | None = None,
    stream: TextIO | None = None,
) -> None:
    """Print a table to stdout, or another stream, the first ``left`` columns to the left and the others to the right.

    A row that has fewer cells than the header is a heading; ``strong`` picks rows by number.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(header), header_style="bold")
    for position, name in enumerate(header):
        table.add_column(name, justify="left" if position < left else "right", overflow="fold")
    for position, row in enumerate(rows):
        heading = len(row) < len(header)
        level = "cyan" if row[0].startswith(" ") else "bold cyan"
        style = level if heading else "bold" if strong and strong(position) else ""
        table.add_row(*(Text(cell, style=style) for cell in row))
    stream = stream or sys.stdout
    out = console(stream)
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), file=stream)


class ProgressBar:
    """A bar on stderr that appears with the first progress; nothing off a terminal, or if quiet."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.drawn = not quiet and sys.stderr.isatty()
        self._bar: Progress | None = None
        self._shown = 0.0
        self._lock = Lock()  # a study works in two threads

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, share: float, text: str) -> None:
        """Move the bar to a share of the work done, with a few words beside it."""
        if not self.drawn or (share < 1 and perf_counter() - self._shown < REFRESH):
            return
        with self._lock:
            self._bar = self._bar or _started_bar()
            self._shown = perf_counter()
            self._bar.update(self._bar.task_ids[0], completed=share, description=text)

    def note(self, text: str) -> None:
        """Tell something, above the bar where there is one."""
        if self._bar is None:
            note(text, self.quiet)
        else:
            self._bar.console.print(text, markup=False, highlight=False)


def _started_bar() -> Progress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = BarColumn(bar_width=12), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}")
    screen = console(sys.stderr)
    screen.width -= len("^C") + 1  # a line that the echo of Ctrl-C breaks could not be wiped
    bar = Progress(*columns, console=screen, transient=True)
    bar.add_task("", total=1.0)
    bar.start()
    return bar


def require_writable(folder: Path, foreign: str = "") -> None:
    """Refuse, before any work is done, a folder that cannot be written to, or has a foreign file; names --out."""
    out = f"--out {str(folder)!r}"
    files.require_writable(folder, out)
    if foreign and (folder / foreign).exists():
        raise OutputError(
            out, expected="a folder of its own", got=f"one with the {foreign} of another command",
            fix="choose another folder, whose report is not written over",
        )  # fmt: skip
