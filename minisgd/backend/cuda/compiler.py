"""Build kernels for the GPU: NVRTC through CuPy."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minisgd.backend.cuda.launcher import Module


class CupyCompiler:
    """Compile .cu text with CuPy, which caches the result on disk by content and device."""

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy

    def compile(self, source: str, file: str, options: tuple[str, ...]) -> Module:
        # the name of the file makes messages of the compiler readable
        module: Any = self.cupy.RawModule(code=f'#line 1 "{file}"\n{source}', options=("-std=c++17", *options))
        with _said(f"building {file} for this GPU, which CuPy keeps for the next time"):
            module.compile()
        built: Module = module
        return built

    def owns(self, array: Any) -> bool:
        return isinstance(array, self.cupy.ndarray)


@contextmanager
def _said(what: str) -> Iterator[None]:
    """Show a line on the terminal while this goes on: the first step of all waits for half a dozen builds."""
    terminal = sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None
    if terminal:
        terminal.write(f"\r\x1b[K{what} …")
        terminal.flush()
    try:
        yield
    finally:
        if terminal:
            terminal.write("\r\x1b[K")
            terminal.flush()
