"""BLAS threads: how many, for how long. Importing this costs nothing; controlling them imports threadpoolctl."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minisgd.checks import is_integer
from minisgd.errors import ArgumentError

LARGE_PRODUCT_FLOPS = 5e8
"""A matrix product of at least this many FLOPs, some milliseconds, is worth a second BLAS thread. BLAS threads
wait for one another at every product: over small ones they bring nothing, and where a neighbour keeps a core
busy each of them may wait for a time slice."""

MOST_THREADS = 1024
"""More than any BLAS is built for."""


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this operating system
        return os.cpu_count() or 1


def choose_threads(largest_product: float, threads: int | None = None) -> int:
    """Return the BLAS threads for a program whose largest matrix product has so many FLOPs; an explicit number wins.

    Raises:
        ArgumentError: If threads is not a positive integer.
    """
    if threads is None:
        return 1 if largest_product < LARGE_PRODUCT_FLOPS else available_cores()
    if not is_integer(threads) or not 1 <= threads <= MOST_THREADS:
        expected, fix = f"a positive integer of at most {MOST_THREADS}", f"this machine has {available_cores()} cores"
        raise ArgumentError("threads", expected=expected, got=threads, fix=fix)
    return int(threads)


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
