"""Record the launches of a workload, to repeat each without the checks that precede it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minisgd.backend.cuda.launcher import Compiler


@dataclass(frozen=True)
class Launch:
    """One launch of one kernel, with the options that it was built with; call it to launch again."""

    kernel: str
    options: tuple[str, ...]
    function: Any
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    args: tuple[Any, ...]
    shared_bytes: int

    def __call__(self) -> None:
        self.function(self.grid, self.block, self.args, shared_mem=self.shared_bytes)


class Recorder:
    """Compile with another compiler, and note what is launched."""

    def __init__(self, compiler: Compiler) -> None:
        self.compiler = compiler
        self.launches: list[Launch] = []

    def compile(self, source: str, file: str, options: tuple[str, ...]) -> Any:
        return _Module(self, self.compiler.compile(source, file, options), options)

    def owns(self, array: Any) -> bool:
        return self.compiler.owns(array)

    def record(self, run: Callable[[], None]) -> list[Launch]:
        """Run, and return the launches in their order."""
        self.launches = []
        run()
        return self.launches


class _Module:
    def __init__(self, recorder: Recorder, module: Any, options: tuple[str, ...]) -> None:
        self.recorder, self.module, self.options = recorder, module, options

    def get_function(self, name: str) -> Any:
        function = self.module.get_function(name)

        def launch(grid: Any, block: Any, args: Any, *, shared_mem: int = 0) -> None:
            made = Launch(name, self.options, function, grid, block, args, shared_mem)
            self.recorder.launches.append(made)
            made()

        return launch
