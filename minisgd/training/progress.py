"""How far a long training run has come: a line on stderr, in a terminal or a notebook, and nothing in a pipe."""

from __future__ import annotations

import sys
from time import perf_counter

from minisgd.training.history import Record

SHOWN_AFTER = 2.0
"""Seconds after which a training run is long."""
REFRESH = 0.1
"""Seconds from one line to the next."""
CELLS = 24


class ProgressLine:
    """Rewrites one line: a bar, the share done, the time left, and the loss of the last evaluation."""

    def __init__(self, wanted: bool | None) -> None:
        self.on = is_watched() if wanted is None else wanted
        self._begun = self._shown = perf_counter()
        self._delay = SHOWN_AFTER if wanted is None else 0.0
        self._width = 0
        self._loss = ""

    def __call__(self, share: float, record: Record | None) -> None:
        """Show a share of the training run as done, and the losses of an evaluation if there was one."""
        if not self.on:
            return
        if record is not None:
            losses = ("train_loss", "val_loss")
            self._loss = "".join(f"  {name} {record[name]:.4g}" for name in losses if record.get(name) is not None)
        now = perf_counter()
        if now - self._begun < self._delay or now - self._shown < REFRESH or not share:
            return
        self._shown = now
        left = (now - self._begun) * (1 - share) / share
        done = round(CELLS * min(share, 1.0))
        self._write(f"{'█' * done}{'░' * (CELLS - done)} {share:4.0%}  {left:.0f} s left{self._loss}")

    def close(self) -> None:
        """Wipe the line."""
        if self._width:
            self._write("")
            self._write("")

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(f"\r{text.ljust(self._width)}")
            sys.stderr.flush()
        except (OSError, ValueError):  # stderr is gone, which is no reason to end the training run
            self.on = False
        self._width = len(text)


def is_watched() -> bool:
    """Tell whether stderr is a terminal or the output of a notebook's cell."""
    try:
        return "ipykernel" in sys.modules or sys.stderr.isatty()
    except (AttributeError, ValueError):  # no stderr, or a closed one
        return False
