"""Build kernels for the GPU: NVRTC through CuPy."""

from __future__ import annotations

from typing import Any

from minisgd.backend.cuda.launcher import Module


class CupyCompiler:
    """Compile .cu text with CuPy, which caches the result on disk by content and device."""

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy

    def compile(self, source: str, file: str, options: tuple[str, ...]) -> Module:
        # the name of the file makes messages of the compiler readable
        module: Module = self.cupy.RawModule(code=f'#line 1 "{file}"\n{source}', options=("-std=c++17", *options))
        return module

    def owns(self, array: Any) -> bool:
        return isinstance(array, self.cupy.ndarray)
