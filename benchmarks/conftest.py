"""What the benchmarks under pytest share: one BLAS thread, so that figures can be compared with one another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from minisgd.backend.cpu.threads import blas_threads


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with blas_threads(1):
        yield
