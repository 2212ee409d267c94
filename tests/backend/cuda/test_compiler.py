"""Building kernels: at once, kept by CuPy, and not in silence where somebody waits at a terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest

from minisgd.backend.cuda.compiler import CupyCompiler

SOURCE = 'extern "C" __global__ void nothing() {}'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_a_terminal_tells_what_is_built_until_it_is(
    fake_cupy: Any, monkeypatch: pytest.MonkeyPatch, stream: Any
) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    module = CupyCompiler(fake_cupy).compile(SOURCE, "nothing.cu", ("-DREAL=float",))
    said = stream.getvalue()
    assert ("building nothing.cu for this GPU" in said) == stream.isatty()
    assert not said or said.endswith("\r\x1b[K")  # and leaves no trace
    assert module.get_function("nothing").name == "nothing"
