"""The double promises nothing that CuPy does not keep: every name, argument and constant of it is CuPy's own.

The package runs on the double in every test, so what the double takes is what the package asks of CuPy. The wheel is
imported, and nothing of it is called: that needs neither a GPU nor a driver.

    pip install cupy-cuda13x
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.cuda.fake_cupy import _modules
from tests.cuda.fake_cupy.functions import ufunc

HEAD = re.compile(r"[\w.]+\(.*\)")

NOT_COMPARED = {"__init__", "__repr__", "__len__", "__float__", "__int__", "__index__", "__bool__", "__exit__"}
"""Methods whose arguments Python prescribes; those of constructors are in the signatures of classes."""

HANDED_OUT = {"cupy.ndarray", "cupy.RawKernel"}
"""Classes that nobody constructs."""

INSIDE = {
    "cupy.ndarray": {"host", "memory", "base"},
    "cupy.RawModule": {"emulator", "module"},
    "cupy.RawKernel": {"function"},
    "cupy.cuda.Stream": {"submit", "run_until", "refuse_capture", "is_null", "ptr"},
    "cupy.cuda.Graph": {"append", "nodes", "launches"},
    "cupy.cuda.MemoryPool": {"release"},
}
"""What the double's classes have for themselves, and what CuPy's get when they are constructed."""


@pytest.fixture(scope="module")
def cupy() -> ModuleType:
    return pytest.importorskip("cupy", reason="CuPy is not installed: pip install 'minisgd[kernels]'")


def arguments(function: Any) -> list[inspect.Parameter] | None:
    """Return the arguments of a function, from its documentation where it is compiled; None where neither tells."""
    try:
        return [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    except ValueError:
        pass
    # Cython writes the signature into the first line; a function may tell it better in the next
    heads = [line.split("->")[0] for line in (function.__doc__ or "").splitlines()[:3] if HEAD.match(line)]
    if not heads:
        return None
    found, kind = [], inspect.Parameter.POSITIONAL_OR_KEYWORD
    for part in heads[-1][heads[-1].index("(") + 1 : heads[-1].rindex(")")].split(", "):
        if part in ("*", "\\*"):
            kind = inspect.Parameter.KEYWORD_ONLY
        elif part.startswith("*"):
            found.append(inspect.Parameter(part.strip("*"), inspect.Parameter.VAR_POSITIONAL))
            kind = inspect.Parameter.KEYWORD_ONLY
        elif part and part != "self":
            name = part.split("=")[0].split()[-1]  # after its C type
            found.append(inspect.Parameter(name, kind, default=None if "=" in part else inspect.Parameter.empty))
    return found


def differences(name: str, real: Any, double: Any) -> Iterator[str]:
    """Yield what the double has that CuPy has not, from a name down."""
    if isinstance(double, ModuleType | SimpleNamespace):
        for part, value in vars(double).items():
            if part.startswith("__") or (part.startswith("_") and part not in ("_core", "_routines_linalg")):
                continue
            if hasattr(real, part):
                yield from differences(f"{name}.{part}", getattr(real, part), value)
            else:
                yield f"{name}.{part}: CuPy has no such name"
    elif hasattr(real, "nin"):
        operands = double.function.nin if isinstance(double, ufunc) else len(arguments(double) or ()) - 1
        if operands != real.nin:
            yield f"{name}: {operands} operands, CuPy takes {real.nin}"
    elif inspect.isclass(double) and double.__module__.startswith("tests."):
        yield from _class_differences(name, real, double)
    elif inspect.isroutine(double):
        yield from _argument_differences(name, real, double)
    elif isinstance(double, int) and real != double:
        yield f"{name}: {double}, in CuPy {real}"


def _class_differences(name: str, real: type, double: type) -> Iterator[str]:
    if issubclass(double, Exception):
        if not any(issubclass(real, base) for base in double.__mro__[1:3]):
            yield f"{name}: CuPy's is no {double.__base__}"
        return
    if name not in HANDED_OUT:
        yield from _argument_differences(name, real, double)
    for part, value in vars(double).items():
        if part in INSIDE.get(name, ()) or (part.startswith("_") and not part.endswith("__")) or part in NOT_COMPARED:
            continue
        if inspect.isfunction(value):
            if not hasattr(real, part):
                yield f"{name}.{part}: CuPy has no such method"
            elif not part.startswith("__") or part == "__call__":
                yield from _argument_differences(f"{name}.{part}", getattr(real, part), value)
        elif isinstance(value, property) and not hasattr(real, part):
            yield f"{name}.{part}: CuPy has no such property"


def _argument_differences(name: str, real: Any, double: Any) -> Iterator[str]:
    """Whoever calls the double, by position or by name, must be able to call CuPy the same way."""
    theirs, ours = arguments(real), arguments(double)
    if theirs is None or ours is None:
        yield f"{name}: CuPy does not tell its arguments"
        return
    known, any_number = {p.name: p for p in theirs}, any(p.kind is p.VAR_POSITIONAL for p in theirs)
    for position, ours_ in enumerate(ours):
        if any_number and ours_.kind in (ours_.POSITIONAL_ONLY, ours_.VAR_POSITIONAL):
            continue
        their = known.get(ours_.name)
        if their is None:
            yield f"{name}: argument {ours_.name}, CuPy's are {', '.join(known)}"
        elif ours_.kind is not ours_.KEYWORD_ONLY and (
            their.kind is their.KEYWORD_ONLY or theirs.index(their) != position
        ):
            yield f"{name}: argument {ours_.name} by position {position}, CuPy's are {', '.join(known)}"
    for their in theirs:
        needed = their.default is their.empty and their.kind is not their.VAR_POSITIONAL
        if needed and their.name not in {p.name for p in ours}:
            yield f"{name}: CuPy needs {their.name}"


def test_the_double_has_nothing_that_cupy_has_not(cupy: ModuleType) -> None:
    import cupyx.scipy.special

    doubles = _modules()
    assert "\n".join(differences("cupy", cupy, doubles["cupy"])) == ""
    assert "\n".join(differences("cupyx", cupyx, doubles["cupyx"])) == ""


def right(a: Any, b: Any = None, *, c: Any = None) -> None:
    """Stand for a function of CuPy."""


@pytest.mark.parametrize(
    ("double", "difference"),
    [
        (lambda a, b=None: None, ""),
        (lambda a, *, c: None, ""),
        (lambda a, c: None, "cupy.f: argument c by position 1, CuPy's are a, b, c"),
        (lambda b, a: None, "cupy.f: argument b by position 0"),
        (lambda a, d=None: None, "cupy.f: argument d, CuPy's are a, b, c"),
        (lambda b=None: None, "CuPy needs a"),
        (7, "cupy.f: 7, in CuPy"),
    ],
)
def test_a_difference_is_found(double: Any, difference: str) -> None:
    found = "\n".join(differences("cupy", SimpleNamespace(f=right), SimpleNamespace(f=double)))
    assert difference in found and bool(found) == bool(difference)
    assert "no such name" in "".join(differences("cupy", SimpleNamespace(), SimpleNamespace(f=double)))
