"""Choosing a device, and what is said where it cannot be had."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from minisgd.backend import NumpyOps, get_ops
from minisgd.errors import ArgumentError, MissingExtraError


def test_the_cpu_is_always_there() -> None:
    assert isinstance(get_ops(), NumpyOps)
    assert get_ops("cpu") is not get_ops("cpu")  # no global device


def test_cuda_without_cupy_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(MissingExtraError, match=r"device 'cuda' must be usable through CuPy.*minisgd\[cuda12\]"):
        get_ops("cuda")


@pytest.mark.parametrize("device", ["gpu", "CPU", "", None, 0, ["cpu"]])
def test_other_devices(device: Any) -> None:
    with pytest.raises(ArgumentError, match="device must be 'cpu' or 'cuda'"):
        get_ops(device)
