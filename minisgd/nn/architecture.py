"""Layers, losses and initializers as plain documents, from which they are made again without the code that made them.

A part is written as its class and the arguments of its constructor, which it keeps in attributes of the same names:

    {"class": "Linear", "features": 10, "bias": true, "init": {"class": "HeNormal", "gain": 1.41…}, …}

Parts inside others stand in their places. Of a class of one's own, written ``module:Name``, the numbers, text and
arrays in other attributes stand under "self", where its constructor does not set them like that by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from inspect import BoundArguments, Parameter, get_annotations, signature
from typing import Any

import numpy as np

from minisgd.errors import ArgumentError, CheckpointError, MinisgdError
from minisgd.nn import initializers
from minisgd.nn.imported import imported
from minisgd.nn.layer import Layer
from minisgd.nn.lending import own_attributes
from minisgd.nn.losses.loss import Loss
from minisgd.nn.network import Network

NO_ARGUMENTS = ("class", "self", "learns")


def described(part: Any) -> Any:
    """Return a part as a document of dictionaries, lists, numbers, text and arrays.

    Raises:
        ArgumentError: If a part does not keep an argument of its constructor, or is nothing that can be written.
    """
    return _described(part, [])


def rebuilt(document: Any, allow: Any = ()) -> Any:
    """Return the part that a document describes.

    Args:
        document: What ``described`` returned; tuples may have become lists.
        allow: Classes and functions besides minisgd's that may be called: one or several, themselves or their names
            ``FILE.py:NAME`` or ``module:NAME``, whose code is then run.

    Raises:
        CheckpointError: If the document describes nothing, or what is not allowed.
        ArgumentError: If what is allowed cannot be imported.
    """
    return _rebuilt(document, _Known(allow))


# ------------------------------------------------ from parts to documents


def _described(part: Any, met: list[Any]) -> Any:
    """Return a part as a document; note the classes and functions met in it."""
    if _is_plain(part):
        return part
    if isinstance(part, list | tuple):
        return [_described(item, met) for item in part]
    if callable(part) and hasattr(part, "__qualname__"):
        met.append(part)
        return {"object": _path(part)}
    kind, own = type(part), _Known()
    met.append(kind)
    names = _arguments(kind)
    document = {"class": _path(kind), **{name: _described(_kept(part, name), met) for name in names}}
    if isinstance(part, Layer) and not part.learns:
        document["learns"] = False
    if _path(kind) not in own.classes:
        fresh = _attributes(_rebuilt(document, _Known(met)))
        beyond = {
            name: value
            for name, value in _attributes(part).items()
            if name not in fresh or not _is_same(value, fresh[name])
        }
        if beyond:
            document["self"] = beyond
    return document


def _kept(part: Any, argument: str) -> Any:
    if not hasattr(part, argument):
        raise ArgumentError(
            f"{getattr(part, 'label', type(part).__name__)}: {argument}",
            expected=f"kept as self.{argument}, so that the layer can be saved and made again",
            got="no such attribute",
            fix=f"write self.{argument} = {argument} in its __init__",
        )
    return getattr(part, argument)


def _arguments(kind: type) -> dict[str, Any]:
    """Return the arguments of a constructor; what goes on as ``**kwargs`` are those of the class it is derived from."""
    try:
        given = signature(kind).parameters
    except (TypeError, ValueError) as error:
        expected = "a layer, a loss, an initializer, a number, text or an array, so that it can be saved"
        fix = "make it in the __init__ of the layer, from arguments that are one of these"
        raise ArgumentError(kind.__name__, expected=expected, got=f"an object of {_path(kind)}", fix=fix) from error
    found = {name: each for name, each in given.items() if each.kind is not Parameter.VAR_KEYWORD}
    if len(found) < len(given):
        inherited = _arguments(next(base for base in kind.__mro__[1:] if "__init__" in vars(base)))
        found |= {name: each for name, each in inherited.items() if name not in found}
    return found


def _attributes(part: Any) -> dict[str, Any]:
    """Return the numbers, text and arrays that a part has for its own, besides what binding it sets."""
    if isinstance(part, Network) or not hasattr(part, "__dict__"):
        return {}
    own = own_attributes(part) if isinstance(part, Layer | Loss) else vars(part)
    set_by_us = {name for kind in type(part).__mro__ if _is_ours(kind) for name in get_annotations(kind)} - {"name"}
    return {name: value for name, value in own.items() if name not in set_by_us and _is_plain(value, inside=True)}


def _is_plain(value: Any, inside: bool = False) -> bool:
    if inside and isinstance(value, list | tuple):
        return all(_is_plain(item, inside) for item in value)
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "fiub"
    return value is None or isinstance(value, bool | int | float | str)


def _is_same(a: Any, b: Any) -> bool:
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_is_same, a, b))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and bool(a == b)


# ------------------------------------------------ from documents to parts


def _rebuilt(document: Any, known: _Known) -> Any:
    if isinstance(document, list | tuple):
        return tuple(_rebuilt(item, known) for item in document)
    if not isinstance(document, Mapping):
        return document
    if document.keys() == {"object"}:
        return known.find(document["object"])
    kind = known.find(document.get("class"))
    values = {name: _rebuilt(value, known) for name, value in document.items() if name not in NO_ARGUMENTS}
    part = _made(kind, values)
    if "learns" in document:
        part.learns = bool(document["learns"])
    if "self" in document:
        if _is_ours(kind):
            raise _damaged(f"{kind.__name__} with other attributes than its own")
        vars(part).update({name: _rebuilt(value, known) for name, value in document["self"].items()})
    return part


def _made(kind: Any, values: dict[str, Any]) -> Any:
    """Return a new part of a class, by its arguments."""
    expected = _arguments(kind) if isinstance(kind, type) else None
    if expected is None or values.keys() != expected.keys():
        raise _damaged(f"{kind.__name__} with {', '.join(values) or 'nothing'}")
    own = signature(kind)
    arguments = {name: value for name, value in values.items() if name in own.parameters}
    for name, each in own.parameters.items():
        if each.kind is Parameter.VAR_KEYWORD:
            arguments[name] = {other: value for other, value in values.items() if other not in arguments}
    bound = BoundArguments(own, {name: arguments[name] for name in own.parameters})
    try:
        return kind(*bound.args, **bound.kwargs)
    except MinisgdError as error:
        raise CheckpointError(
            f"architecture: {error.argument}", expected=error.expected, got=error.got, fix=error.fix
        ) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise _damaged(f"{kind.__name__}: {error}") from error


class _Known:
    """The classes and functions that a document may name: minisgd's parts, and what is allowed besides."""

    def __init__(self, allow: Any = ()) -> None:
        several = allow if isinstance(allow, Iterable) and not isinstance(allow, str | type) else [allow]
        objects = [imported(item, "allow") if isinstance(item, str) else item for item in several]
        for item in objects:
            if not hasattr(item, "__qualname__"):
                raise ArgumentError(
                    "allow", expected="classes, or names such as 'net.py:Scale'", got=item, fix="allow=[Scale]"
                )
        self.classes = {
            kind.__name__: kind
            for kind in (*_derived(Layer), *_derived(Loss), *vars(initializers).values())
            if isinstance(kind, type) and _is_ours(kind)
        }
        self.allowed = {_path(item): item for item in objects}

    def find(self, path: Any) -> Any:
        """Return what is written as a path. A script is another module when it is imported, so the name is enough."""
        origin, _, name = str(path).rpartition(":")
        namesakes = [item for item in self.allowed.values() if origin and item.__qualname__ == name]
        found = self.classes.get(str(path)) or self.allowed.get(str(path)) or next(iter(namesakes), None)
        if found is None:
            expected = "made of minisgd's layers, or of what is allowed besides"
            fix = f"if you trust its code, allow it: allow=[{name}], or --allow FILE.py:{name} of a command"
            raise CheckpointError("architecture", expected=expected, got=path, fix=fix)
        return found


def _derived(kind: type) -> Iterator[type]:
    children: list[type] = type.__subclasses__(kind)
    for child in children:
        yield child
        yield from _derived(child)


def _is_ours(kind: type) -> bool:
    return kind.__module__.startswith("minisgd.nn.")


def _path(item: Any) -> str:
    """Return how a class or a function is written: a name of minisgd's, or module:NAME."""
    if isinstance(item, type) and _is_ours(item):
        return item.__name__
    return f"{item.__module__}:{item.__qualname__}"


def _damaged(got: str) -> CheckpointError:
    return CheckpointError("architecture", expected="as minisgd writes it", got=got, fix="save the network again")
