"""BLAS threads: how many, for how long. Importing this costs nothing; controlling them imports threadpoolctl."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minisgd.errors import ArgumentError

SMALL_STEP_FLOPS = 2e8
"""Below about this much work a step, handing it to a second thread costs more than the thread brings."""


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this operating system
        return os.cpu_count() or 1


def choose_threads(flops: float, threads: int | None = None) -> int:
    """Return the BLAS threads for a step of so many FLOPs; an explicit number wins.

    Errors: ArgumentError if threads is not a positive integer.
    """
    if threads is None:
        return 1 if flops < SMALL_STEP_FLOPS else available_cores()
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ArgumentError(
            "threads", expected="a positive integer", got=threads, fix=f"this machine has {available_cores()} cores"
        )
    return threads


@contextmanager
def blas_threads(threads: int) -> Iterator[None]:
    """Hold every loaded BLAS to so many threads inside this block, and restore it afterwards."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads, user_api="blas"):
        yield


def blas_info() -> list[dict[str, Any]]:
    """Return what threadpoolctl knows of the loaded BLAS and OpenMP libraries."""
    from threadpoolctl import threadpool_info

    info: list[dict[str, Any]] = threadpool_info()
    return info
