"""Every kernel that the package ships, and every build of it, as the definitions list them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass

from minisgd.backend import kernel_library
from minisgd.backend.kernels import C_TYPES, Definition, kernels_folder, options, source


@dataclass(frozen=True)
class Build:
    """One kernel file with one set of macros and one dtype."""

    file: str
    options: tuple[str, ...]

    @property
    def source(self) -> str:
        return source(self.file)

    @property
    def label(self) -> str:
        return " ".join(option.removeprefix("-D") for option in self.options)


def definitions() -> list[Definition]:
    """Return the DEFINITIONS of every family of kernels."""
    modules = (f"{kernel_library.__name__}.{module.name}" for module in pkgutil.iter_modules(kernel_library.__path__))
    return [definition for name in modules for definition in getattr(importlib.import_module(name), "DEFINITIONS", ())]


def builds() -> list[Build]:
    """Return every build of every file once, though its kernels share it."""
    return list(dict.fromkeys(_builds()))


def _builds() -> Iterator[Build]:
    for definition in definitions():
        for macros in definition.variants:
            for dtype in C_TYPES:
                yield Build(definition.file, options(macros, dtype))


def files() -> list[str]:
    """Return every kernel file in the folder, as `source` names it."""
    return sorted(str(path.relative_to(kernels_folder()).with_suffix("")) for path in kernels_folder().rglob("*.cu"))
