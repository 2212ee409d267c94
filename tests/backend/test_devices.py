"""Choosing a device, and what is said where it cannot be had."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from minisgd.backend import NumpyOps, get_ops, why_no_cuda
from minisgd.errors import ArgumentError, MissingExtraError


@pytest.fixture
def no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)


def test_the_cpu_is_always_there() -> None:
    assert isinstance(get_ops(), NumpyOps)
    assert get_ops("cpu") is not get_ops("cpu")  # no global device


def test_cuda_without_cupy_names_what_to_install(no_cupy: None) -> None:
    with pytest.raises(MissingExtraError, match=r"device 'cuda' must be usable through CuPy.*minisgd\[cuda12\]"):
        get_ops("cuda")


def test_auto_without_cuda_is_the_cpu_and_the_reason_can_be_asked(no_cupy: None) -> None:
    assert get_ops("auto").device == "cpu"
    reason = why_no_cuda()
    assert reason is not None and "minisgd[cuda12]" in reason.fix


@pytest.mark.parametrize("device", ["gpu", "CPU", "", None, 0, ["cpu"]])
def test_other_devices(device: Any) -> None:
    with pytest.raises(ArgumentError, match="device must be 'cpu', 'cuda' or 'auto'"):
        get_ops(device)


def test_precision() -> None:
    with pytest.raises(ArgumentError, match="precision must be 'full' or 'tf32'"):
        get_ops("cpu", "half")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="precision must be 'full' on the CPU, which has no TF32"):
        get_ops("cpu", "tf32")
