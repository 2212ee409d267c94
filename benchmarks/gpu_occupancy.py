"""How full a GPU is with the kernels of a launch, from the registers and shared memory that they were given."""

from __future__ import annotations

from math import prod
from typing import Any

from minisgd.backend.cupy_compiler import CupyCompiler

THREADS_PER_MULTIPROCESSOR = 39
"""cudaDevAttrMaxThreadsPerMultiProcessor"""


class WatchedCompiler(CupyCompiler):
    """Compile with CuPy, and note every kernel that is launched with its threads and dynamic shared memory."""

    def __init__(self, cupy: Any) -> None:
        super().__init__(cupy)
        self.launched: dict[str, tuple[Any, int, int]] = {}

    def compile(self, source: str, file: str, options: tuple[str, ...]) -> Any:
        return _WatchedModule(self, super().compile(source, file, options))

    def occupancy(self) -> dict[str, float]:
        """Return the share of each multiprocessor's threads that every kernel launched since the last call fills."""
        cuda = self.cupy.cuda
        most = cuda.runtime.deviceGetAttribute(THREADS_PER_MULTIPROCESSOR, cuda.runtime.getDevice())
        full = {}
        for name, (kernel, threads, shared_bytes) in self.launched.items():
            resident = cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(kernel.kernel.ptr, threads, shared_bytes)
            full[name] = resident * threads / most
        self.launched.clear()
        return full


class _WatchedModule:
    def __init__(self, compiler: WatchedCompiler, module: Any) -> None:
        self.compiler, self.module = compiler, module

    def get_function(self, name: str) -> Any:
        kernel = self.module.get_function(name)

        def launch(grid: Any, block: Any, args: Any, *, shared_mem: int = 0) -> None:
            self.compiler.launched[name] = kernel, prod(block), shared_mem
            kernel(grid, block, args, shared_mem=shared_mem)

        return launch
