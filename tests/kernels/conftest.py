"""Kernels are tested through the launcher that a GPU uses, on the CPU that runs them as a GPU would."""

from __future__ import annotations

from functools import cache

import pytest

from minisgd.backend.cuda.launcher import KernelLibrary
from tests.cuda.kernel_device import compiler, missing_device


@cache
def built(dtype: str, order: str) -> KernelLibrary:
    """Return the kernels of a dtype, run in an order of threads and blocks: one library, one build a session."""
    reason = missing_device()
    if reason is not None:
        pytest.skip(reason)
    return KernelLibrary(compiler(order, seed=7), dtype)


@pytest.fixture(params=["forward", "random"])
def order(request) -> str:
    return request.param


@pytest.fixture(params=["float32", "float64"])
def library(request, order) -> KernelLibrary:
    return built(request.param, order)


@pytest.fixture
def float32(order) -> KernelLibrary:
    return built("float32", order)


@pytest.fixture
def float64(order) -> KernelLibrary:
    return built("float64", order)
