"""How many BLAS threads, and for how long."""

from __future__ import annotations

from typing import Any

import pytest
from threadpoolctl import threadpool_info

from minisgd.backend.cpu.threads import LARGE_PRODUCT_FLOPS, available_cores, blas_info, blas_threads, choose_threads
from minisgd.errors import ArgumentError


def blas_thread_counts() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_small_steps_take_one_thread_and_large_ones_all() -> None:
    assert choose_threads(0) == choose_threads(LARGE_PRODUCT_FLOPS / 2) == 1
    assert choose_threads(LARGE_PRODUCT_FLOPS) == available_cores() >= 1


def test_an_explicit_number_wins() -> None:
    assert choose_threads(0, 3) == choose_threads(1e15, 3) == 3


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_threads_are_counted(threads: Any) -> None:
    with pytest.raises(
        ArgumentError, match=r"threads must be a positive integer of at most 1024, got .*; this machine has \d+ cores"
    ):
        choose_threads(0, threads)


def test_blas_is_held_to_a_number_and_released() -> None:
    before = blas_thread_counts()
    if not before:
        pytest.skip("threadpoolctl knows no BLAS here")
    with blas_threads(1):
        assert set(blas_thread_counts()) == {1}
    assert blas_thread_counts() == before


def test_blas_can_be_described() -> None:
    assert all("num_threads" in library for library in blas_info())


def test_cores_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    assert available_cores() >= 1
