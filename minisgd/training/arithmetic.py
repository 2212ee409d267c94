"""How NumPy computes while training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

BUFFER = 2048
"""Elements that NumPy copies at a time where the rows of an operand are short or of another dtype."""


@contextmanager
def quiet_arithmetic() -> Iterator[None]:
    """Let a diverging run overflow without warnings, since its loss tells; let NumPy copy less.

    NumPy copies operands with rows of less than half its buffer into that buffer first, 8192 elements of it. With a
    smaller one it works on the rows where they lie, in half the time.
    """
    with np.errstate(all="ignore"):
        np.setbufsize(BUFFER)  # until errstate ends
        yield
