"""Find, build and launch the CUDA kernels.

The folder of kernels holds .cu text; a `Definition` declares one kernel of one file with every set of macros it
is shipped with; a `KernelLibrary` builds definitions for one compiler and one dtype, and hands out `Kernel`s
that check their arguments. The compiler is CuPy on a GPU. Tests pass another that builds the same text for the
CPU, so that the launcher a GPU sees is the launcher that every test run exercises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from minisgd.backend.cuda.signature import REAL, Argument, Signature, array, scalar
from minisgd.errors import ArgumentError, DataError, DtypeError

__all__ = [
    "REAL",
    "Argument",
    "Compiler",
    "Definition",
    "Kernel",
    "KernelLibrary",
    "Launch",
    "Macros",
    "Module",
    "Signature",
    "array",
    "definition",
    "kernels_folder",
    "options",
    "scalar",
    "source",
    "variants",
]

Macros: TypeAlias = Mapping[str, str | int]
"""Compile-time constants of a kernel file, passed as -DNAME=value."""

Extent: TypeAlias = tuple[int, int, int]

MAX_THREADS = 1024
MAX_BLOCK: Extent = (1024, 1024, 64)
MAX_GRID: Extent = (2**31 - 1, 65535, 65535)
MAX_SHARED = 48 * 1024
"""Limits that every CUDA device shares; more shared memory than this needs an opt-in that no kernel here uses."""

C_TYPES = {"float32": "float", "float64": "double"}


class Function(Protocol):
    """A compiled kernel, called as CuPy calls one."""

    def __call__(self, grid: Extent, block: Extent, args: tuple[Any, ...], *, shared_mem: int = 0) -> Any: ...


class Module(Protocol):
    """A compiled file."""

    def get_function(self, name: str) -> Function:
        """Return the kernel of that name."""
        ...


class Compiler(Protocol):
    """What turns .cu text into callable kernels, and knows which arrays they can be given."""

    def compile(self, source: str, file: str, options: tuple[str, ...]) -> Module:
        """Compile the text of `file` with options such as -DREAL=float."""
        ...

    def owns(self, array: Any) -> bool:
        """Tell whether the array lives where the kernels run."""
        ...


@cache
def kernels_folder() -> Path:
    """Return the folder of .cu files: inside the installed package, or beside it in a checkout.

    Raises:
        DataError: If neither place has any.
    """
    package = Path(__file__).resolve().parents[2]
    places = (package / "kernels", package.parent / "kernels")
    for folder in places:
        if any(folder.glob("*.cu")):
            return folder
    got, fix = f"none in {' or '.join(map(str, places))}", "pip install --force-reinstall minisgd"
    raise DataError("kernels", expected="a folder of .cu files", got=got, fix=f"reinstall the package: {fix}")


def source(name: str, folder: Path | None = None) -> str:
    """Return the text of `<name>.cu`, from the folder of the shipped kernels or from another."""
    folder = folder or kernels_folder()
    path = folder / f"{name}.cu"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.cu")))
        raise ArgumentError("kernel file", expected=f"one of {known}", got=name, fix="check the name of the file")
    return path.read_text(encoding="utf-8")


def variants(**choices: tuple[str | int, ...]) -> tuple[Macros, ...]:
    """Return every combination of the values of some macros: variants(TILE=(16, 32), MASK=(0, 1)) are four."""
    return tuple(dict(zip(choices, values, strict=True)) for values in product(*choices.values()))


def options(macros: Macros, dtype: npt.DTypeLike) -> tuple[str, ...]:
    """Return the compiler options of one build: REAL as float or double, then the macros by name."""
    name = np.dtype(dtype).name
    if name not in C_TYPES:
        raise DtypeError("dtype", expected="float32 or float64", got=name, fix="build the kernels for one of these")
    return (f"-DREAL={C_TYPES[name]}", *(f"-D{macro}={value}" for macro, value in sorted(macros.items())))


@dataclass(frozen=True)
class Definition:
    """One kernel of one file, and every set of macros with which it is built and tested.

    folder: where the file is; None for the kernels that the package ships
    """

    file: str
    signature: Signature
    variants: tuple[Macros, ...] = ({},)
    folder: Path | None = None

    @property
    def name(self) -> str:
        return self.signature.name


def definition(
    file: str,
    variants: tuple[Macros, ...],
    name: str,
    arrays: str,
    sizes: str = "",
    strides: str = "",
    reals: str = "",
) -> Definition:
    """Define a kernel that takes arrays, then sizes, strides and real numbers, by their names in this order.

    arrays: of the dtype of computation; ``weight?`` may be None, ``x~`` is strided
    sizes: int32   strides: int64   reals: of the dtype of computation

    ``label:int64`` has a dtype of its own.
    """

    def split(names: str, dtype: str) -> Iterator[tuple[str, str]]:
        for each in names.split():
            word, _, own = each.partition(":")
            yield word, own or dtype

    pointers = (array(a.rstrip("?~"), d, optional="?" in a, strided="~" in a) for a, d in split(arrays, REAL))
    numbers = (*split(sizes, "int32"), *split(strides, "int64"), *split(reals, REAL))
    return Definition(file, Signature(name, (*pointers, *(scalar(n, d) for n, d in numbers))), variants)


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch of a kernel, its arguments checked and bound: running it decides nothing."""

    function: Function
    grid: Extent
    block: Extent
    args: tuple[Any, ...]
    shared_bytes: int = 0

    def run(self) -> None:
        """Launch on the current stream."""
        self.function(self.grid, self.block, self.args, shared_mem=self.shared_bytes)


def launch_all(launches: Sequence[Launch]) -> None:
    """Launch what was prepared, in order."""
    for launch in launches:
        launch.run()


class Kernel:
    """One kernel, built for one dtype and one set of macros."""

    def __init__(self, function: Function, signature: Signature, library: KernelLibrary) -> None:
        self.function, self.signature, self.library = function, signature, library

    def __call__(self, grid: Extent, block: Extent, *args: Any, shared_bytes: int = 0) -> None:
        """Launch grid × block threads on the arguments that the signature declares, or prepare to.

        shared_bytes: dynamic shared memory of each block.

        Raises:
            ArgumentError: If no device accepts such a launch; and what `Signature.bind` raises.
        """
        library = self.library
        _check_launch(self.signature.name, grid, block, shared_bytes)
        bound = self.signature.bind(args, library.dtype, library.compiler.owns)
        library.take(Launch(self.function, grid, block, bound, shared_bytes))


class KernelLibrary:
    """Kernels of one compiler and one dtype, each file built once for each set of macros.

    with library.prepare() as launches:
        family.method(x, y)         # nothing runs: what would have is in the list, to be run any number of times
    """

    def __init__(self, compiler: Compiler, dtype: npt.DTypeLike = np.float32) -> None:
        self.compiler, self.dtype = compiler, np.dtype(dtype)
        self.take: Callable[[Launch], None] = Launch.run
        self._modules: dict[tuple[Path | None, str, tuple[str, ...]], Module] = {}

    def kernel(self, definition: Definition, **macros: str | int) -> Kernel:
        """Return the kernel built with these macros, which must be one of the definition's variants.

        Raises:
            ArgumentError: For macros that the definition does not list.
        """
        if macros not in definition.variants:
            expected = "one of the variants of the definition"
            fix = "add the variant to the definition, so that it is compiled and tested like the others"
            raise ArgumentError(f"{definition.name}: macros", expected=expected, got=macros, fix=fix)
        key = definition.folder, definition.file, options(macros, self.dtype)
        if key not in self._modules:
            self._modules[key] = self.compiler.compile(
                source(definition.file, definition.folder), f"{definition.file}.cu", key[2]
            )
        function = self._modules[key].get_function(definition.name)
        return Kernel(function, definition.signature, self)

    @contextmanager
    def prepare(self, launches: list[Launch] | None = None) -> Iterator[list[Launch]]:
        """Collect the launches of this block, checked and bound, instead of running them; in the given list"""
        launches = [] if launches is None else launches
        outer, self.take = self.take, launches.append
        try:
            yield launches
        finally:
            self.take = outer


def _check_launch(kernel: str, grid: Extent, block: Extent, shared_bytes: int) -> None:
    for argument, extent, limit in (("grid", grid, MAX_GRID), ("block", block, MAX_BLOCK)):
        if len(extent) != 3 or not all(1 <= size <= most for size, most in zip(extent, limit, strict=True)):
            expected = f"(x, y, z) from (1, 1, 1) to {limit}"
            raise ArgumentError(f"{kernel}: {argument}", expected=expected, got=extent, fix="change the tiling")
    if prod(block) > MAX_THREADS:
        expected, fix = f"at most {MAX_THREADS} threads", "use smaller blocks, more of them"
        raise ArgumentError(f"{kernel}: block", expected=expected, got=block, fix=fix)
    if not 0 <= shared_bytes <= MAX_SHARED:
        expected, fix = f"from 0 to {MAX_SHARED}", "use smaller tiles"
        raise ArgumentError(f"{kernel}: shared_bytes", expected=expected, got=shared_bytes, fix=fix)
