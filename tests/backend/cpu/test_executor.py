"""Which executor is chosen, and what is said where it is not to be had."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import pytest

from minisgd.backend import NumpyOps, Program
from minisgd.backend.cpu import executor
from minisgd.errors import ArgumentError


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A checkout without the extension."""
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("minisgd.backend.cpu.native"):
            raise ImportError("no module named _executor")
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.startswith("minisgd.backend.cpu.native")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    executor.why_not_native.cache_clear()
    yield
    executor.why_not_native.cache_clear()


def test_numpy_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINISGD_EXECUTOR", "numpy")
    assert type(NumpyOps().new_program()) is Program


def test_unknown_names_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINISGD_EXECUTOR", "fortran")
    with pytest.raises(ArgumentError, match="MINISGD_EXECUTOR.*'numpy' or 'native'.*fortran"):
        NumpyOps()


def test_it_is_chosen_once_for_all_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINISGD_EXECUTOR", "numpy")
    ops = NumpyOps()
    monkeypatch.delenv("MINISGD_EXECUTOR")
    assert type(ops.new_program()) is Program and not ops.repeats_programs


def test_without_the_extension_numpy_executes(unbuilt: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINISGD_EXECUTOR", raising=False)
    assert type(NumpyOps().new_program()) is Program
    assert "python -m minisgd.backend.cpu.native.build" in (executor.why_not_native() or "")
    monkeypatch.setenv("MINISGD_EXECUTOR", "native")
    with pytest.raises(ArgumentError, match="native.build"):
        NumpyOps()


def test_the_default_is_native_where_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    if executor.why_not_native():
        pytest.skip(f"no native executor: {executor.why_not_native()}")
    monkeypatch.delenv("MINISGD_EXECUTOR", raising=False)
    assert NumpyOps().new_program().executor == "native"


@pytest.mark.parametrize("checksum", [0, None])
def test_a_library_of_other_sources_is_not_used(checksum: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if executor.why_not_native():
        pytest.skip(f"no native executor: {executor.why_not_native()}")
    from minisgd.backend.cpu.native import _executor

    monkeypatch.setattr(_executor, "checksum", checksum)  # None: built before there was one
    monkeypatch.delenv("MINISGD_EXECUTOR", raising=False)
    executor.why_not_native.cache_clear()
    try:
        assert type(NumpyOps().new_program()) is Program
        assert "rebuild it" in (executor.why_not_native() or "") and "native.build" in str(executor.why_not_native())
    finally:
        executor.why_not_native.cache_clear()


def test_a_self_test_that_fails_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    if executor.why_not_native():
        pytest.skip(f"no native executor: {executor.why_not_native()}")
    from minisgd.backend.cpu.native import self_test

    monkeypatch.setattr(self_test, "_record", lambda program: 1 / 0)
    executor.why_not_native.cache_clear()
    assert "division by zero" in (executor.why_not_native() or "")
    monkeypatch.delenv("MINISGD_EXECUTOR", raising=False)
    assert type(NumpyOps().new_program()) is Program
    executor.why_not_native.cache_clear()


def test_another_numpy_that_gives_other_bits_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    if executor.why_not_native():
        pytest.skip(f"no native executor: {executor.why_not_native()}")
    from minisgd.backend.cpu.native import self_test, translation
    from minisgd.backend.cpu.native.walk import Walk

    def backwards(shape: Any, *views: Any) -> Walk:
        path = walk(shape, *views)
        return Walk(path.shape[::-1], tuple(steps[::-1] for steps in path.strides))

    walk = translation._walk
    monkeypatch.setattr(translation, "_walk", backwards)
    assert self_test.failure() == "the self-test gave other bits than NumPy"
