"""An object as a digest: what it is made of, and what the code of a class of one's own does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np


def settings_of(value: Any) -> str:
    """Return a digest of an object: its class, its attributes with all arrays, and the code of a class of one's own."""
    digest = hashlib.sha256()
    _add(digest, value, {})
    return digest.hexdigest()[:16]


def _add(digest: Any, value: Any, seen: dict[int, Any]) -> None:
    """Add an object to a digest; what contains itself is added once.

    seen: by id, and kept, so that no other object gets the id of one that is gone
    """
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic):
        digest.update(f"{type(value).__name__} {value!r};".encode())
        return
    if id(value) in seen:
        digest.update(b"again;")
        return
    seen[id(value)] = value
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str} {value.shape};".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        for key in sorted(value, key=repr):
            digest.update(f"{key!r}:".encode())
            _add(digest, value[key], seen)
    elif isinstance(value, list | tuple | set | frozenset):
        digest.update(f"{type(value).__name__} {len(value)};".encode())
        for item in sorted(value, key=repr) if isinstance(value, set | frozenset) else value:
            _add(digest, item, seen)
    elif isinstance(value, CodeType):
        digest.update(value.co_code + repr(value.co_names).encode())
        _add(digest, value.co_consts, seen)
    elif isinstance(value, FunctionType):
        _add(digest, (value.__code__, value.__defaults__, value.__kwdefaults__), seen)
        for cell in value.__closure__ or ():
            _add(digest, cell.cell_contents, seen)
    elif isinstance(value, MethodType):
        _add(digest, value.__func__, seen)
    elif isinstance(value, property):
        _add(digest, (value.fget, value.fset), seen)
    elif isinstance(value, partial):
        _add(digest, (value.func, value.args, value.keywords), seen)
    elif isinstance(value, type | ModuleType):
        _add_class(digest, value, seen)
    else:
        _add_class(digest, type(value), seen)
        for name in sorted(_attributes(value)):
            digest.update(f"{name}=".encode())
            _add(digest, getattr(value, name, None), seen)


def _add_class(digest: Any, kind: Any, seen: dict[int, Any]) -> None:
    """Add a class by name; of one that is neither minisgd's nor Python's, what it does as well."""
    module = getattr(kind, "__module__", "")
    digest.update(f"{module}.{getattr(kind, '__qualname__', kind.__name__)};".encode())
    if isinstance(kind, type) and module.partition(".")[0] not in ("minisgd", "builtins", "numpy", "typing", "abc"):
        for name, value in sorted(vars(kind).items()):
            if not name.startswith("__") or isinstance(value, FunctionType):
                digest.update(f"{name}:".encode())
                _add(digest, getattr(value, "__func__", value), seen)
        for base in kind.__bases__:
            _add_class(digest, base, seen)


def _attributes(value: Any) -> list[str]:
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*getattr(value, "__dict__", {}), *(name for name in slots if name not in ("__dict__", "__weakref__"))]
