"""What a device does better: one table of (device, class, method) → function.

A layer, a loss or an optimizer is written once, as a textbook has it. Where a device has a faster body of one of its
methods, the body stands in a module of that device and is entered here; `Ops.method` asks for it. The floors above
name a package for each device, whose modules are imported when that device first asks for a method: nobody without a
GPU loads a line of CUDA.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from threading import RLock
from types import MethodType
from typing import Any, TypeAlias, TypeVar

Body = TypeVar("Body", bound=Callable[..., Any])
Table: TypeAlias = dict[str, dict[type, dict[str, Callable[..., Any]]]]

_packages: dict[str, list[str]] = {}
"""By device, the packages that have not been imported yet."""
_table: Table = {}
"""By device, class and method, the body."""
_importing = RLock()


def tuned_in(device: str, package: str) -> None:
    """Say in which package the modules with bodies for a device are."""
    _packages.setdefault(device, []).append(package)


def tuned(device: str, kind: type, *names: str) -> Callable[[Body], Body]:
    """Enter a function as the body of methods of a class on a device: same arguments, same results."""

    def enter(body: Body) -> Body:
        _table.setdefault(device, {}).setdefault(kind, {}).update(dict.fromkeys(names, body))
        return body

    return enter


def method(device: str, part: Any, name: str) -> Callable[..., Any]:
    """Return a method of a layer, a loss or an optimizer: the device's body of it, or the one in its class.

    A subclass keeps its own methods, and so does an object on which somebody has replaced one (a trace that listens
    in): what forward and backward share, and the arrays that are declared for both, belong together.
    """
    body = _bodies(device).get(type(part), {}).get(name)
    if body is not None and is_as_written(part):
        return MethodType(body, part)
    textbook: Callable[..., Any] = getattr(part, name)
    return textbook


def is_as_written(part: object) -> bool:
    """Tell whether nobody has replaced a method of this very object."""
    return not any(callable(getattr(type(part), name, None)) for name in vars(part))


def entries(device: str) -> Iterator[tuple[type, str]]:
    """Yield every class and method that a device has a body for."""
    for kind, bodies in _bodies(device).items():
        for name in bodies:
            yield kind, name


def _bodies(device: str) -> dict[type, dict[str, Callable[..., Any]]]:
    with _importing:  # a thread that asks meanwhile waits until the table is complete
        while _packages.get(device):
            package = import_module(_packages[device][-1])
            for module in iter_modules(package.__path__, f"{package.__name__}."):
                import_module(module.name)
            _packages[device].pop()
    return _table.get(device, {})
