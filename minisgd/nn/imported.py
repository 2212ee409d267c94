"""Objects of somebody's own Python code, by the name that the user gives: ``FILE.py:NAME`` or ``module:NAME``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from minisgd.errors import ArgumentError, MinisgdError
from minisgd.nn.network import Network
from minisgd.typing import Shape


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


def network_of(name: str, input_shape: Shape, outputs: int) -> Network:
    """Return the network that a function of one's own makes.  name: ``FILE.py:function``"""
    path, _, function = name.partition(":")
    if not function:
        raise ArgumentError(
            "model", expected="FILE.py:function", got=repr(name), fix=f"name the function too: {path}:build"
        )
    build = _function(name, Path(path), function)
    try:
        network = build(input_shape, outputs)
    except MinisgdError:
        raise
    except Exception as problem:
        raise ArgumentError(
            f"model {name!r}",
            expected=f"a function that takes (input_shape, outputs), here {(input_shape, outputs)}",
            got=f"{type(problem).__name__}: {problem}",
            fix="correct the function",
        ) from problem
    if not isinstance(network, Network):
        expected, fix = "a function that returns a minisgd Network", "end it with: return Network(...)"
        raise ArgumentError(f"model {name!r}", expected=expected, got=type(network).__name__, fix=fix)
    return network


def _function(name: str, path: Path, function: str) -> Callable[[Shape, int], Any]:
    module = run_file(path, f"model {name!r}" if path.is_file() else "model")
    found = getattr(module, function, None)
    if not callable(found):
        own = [n for n, value in vars(module).items() if callable(value) and value.__module__ == module.__name__]
        near = get_close_matches(function, own, n=1)
        raise ArgumentError(
            f"model {name!r}",
            expected=f"a file that defines a function {function}(input_shape, outputs)",
            got=f"one that defines {', '.join(own) or 'none'}",
            fix=f"did you mean {near[0]!r}?" if near else "define it, or name another function",
        )
    return found  # type: ignore[no-any-return]


def _module(name: str, argument: str) -> ModuleType:
    try:
        return import_module(name)
    except Exception as problem:
        raise _failed(argument, "a module that can be imported", problem) from problem


def _failed(argument: str, expected: str, problem: Exception) -> ArgumentError:
    got = f"{type(problem).__name__}: {problem}"
    return ArgumentError(argument, expected=expected, got=got, fix="correct the file")
