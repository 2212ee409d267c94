"""Every kernel, shipped or beside the benchmarks, and every build of it, as the definitions list them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import benchmarks.gpu.kernels
from benchmarks.gpu.workloads import kernel_modules
from minisgd.backend.cuda.launcher import C_TYPES, Definition, kernels_folder, options, source

BESIDE_BENCHMARKS = Path(benchmarks.gpu.kernels.__file__).parent


@dataclass(frozen=True)
class Build:
    """One kernel file with one set of macros and one dtype."""

    file: str
    folder: Path | None
    options: tuple[str, ...]

    @property
    def source(self) -> str:
        return source(self.file, self.folder)

    @property
    def label(self) -> str:
        return " ".join(option.removeprefix("-D") for option in self.options)


def definitions() -> list[Definition]:
    """Return the DEFINITIONS of every family of kernels."""
    return [definition for module in kernel_modules() for definition in module.DEFINITIONS]


def builds() -> list[Build]:
    """Return every build of every file once, though its kernels share it."""
    return list(dict.fromkeys(_builds()))


def _builds() -> Iterator[Build]:
    for definition in definitions():
        for macros in definition.variants:
            for dtype in C_TYPES:
                yield Build(definition.file, definition.folder, options(macros, dtype))


def files() -> list[Path]:
    """Return every kernel file."""
    return sorted([*kernels_folder().rglob("*.cu"), *BESIDE_BENCHMARKS.rglob("*.cu")])
