"""Objects of somebody's own Python code, by the name that the user gives: ``FILE.py:NAME`` or ``module:NAME``."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from minisgd.errors import ArgumentError


def imported(name: str, argument: str) -> Any:
    """Run the code that a name names, and return the object.

    Args:
        name: ``FILE.py:NAME`` or ``package.module:NAME``.
        argument: What gave the name, for messages.

    Raises:
        ArgumentError: If there is no such file, module or object, or its code fails.
    """
    origin, _, inside = name.partition(":")
    if not inside:
        fix = f"name the object too: {origin}:NAME"
        raise ArgumentError(argument, expected="FILE.py:NAME or module:NAME", got=repr(name), fix=fix)
    found: Any = run_file(Path(origin), argument) if origin.endswith(".py") else _module(origin, argument)
    for part in inside.split("."):
        if not hasattr(found, part):
            raise ArgumentError(
                argument, expected=f"a name that {origin} defines", got=repr(inside), fix="check the name"
            )
        found = getattr(found, part)
    return found


def run_file(path: Path, argument: str) -> ModuleType:
    """Run a Python file as a module, and return it."""
    if not path.is_file():
        raise ArgumentError(
            argument, expected="a Python file that exists", got=f"nothing at {path}", fix="check the path"
        )
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # the suffix is .py
    module = module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # where dataclasses in the file look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as problem:
        raise _failed(argument, "a Python file that can be run", problem) from problem
    return module


def _module(name: str, argument: str) -> ModuleType:
    try:
        return import_module(name)
    except Exception as problem:
        raise _failed(argument, "a module that can be imported", problem) from problem


def _failed(argument: str, expected: str, problem: Exception) -> ArgumentError:
    got = f"{type(problem).__name__}: {problem}"
    return ArgumentError(argument, expected=expected, got=got, fix="correct the file")
