"""Nested state as what JSON can hold, and its arrays as tensors for safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from minisgd.errors import DtypeError
from minisgd.typing import HostArray


def pack(state: Any, tensors: dict[str, HostArray], name: str = "state") -> Any:
    """Return nested state as JSON can hold it; arrays move into ``tensors``, under the path that leads to them.

    Raises:
        DtypeError: For what is no number, text, list, dictionary with text for keys, or array of numbers.
    """
    if isinstance(state, Mapping) and all(isinstance(key, str) and not key.startswith("$") for key in state):
        return {key: pack(value, tensors, f"{name}.{key}") for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [pack(value, tensors, f"{name}.{i}") for i, value in enumerate(state)]
    if isinstance(state, np.ndarray) and state.dtype.kind in "fiub":
        tensors[name] = np.ascontiguousarray(state, state.dtype.newbyteorder("="))
        return {"$tensor": name}
    if isinstance(state, np.generic) and state.dtype.kind in "fiub":
        state = state.item()
    if isinstance(state, float) and not isfinite(state):
        return {"$float": repr(state)}
    if state is None or isinstance(state, bool | int | float | str):
        return state
    raise DtypeError(
        name,
        expected="made of numbers, text, lists, dictionaries with text for keys, and host arrays of numbers",
        got=type(state).__name__,
        fix="return such values from state()",
    )


def unpack(document: Any, tensors: Mapping[str, HostArray]) -> Any:
    """Return what ``pack`` was given, tuples as lists."""
    if isinstance(document, list):
        return [unpack(value, tensors) for value in document]
    if not isinstance(document, dict):
        return document
    if document.keys() == {"$tensor"}:
        return tensors[document["$tensor"]]
    if document.keys() == {"$float"}:
        return float(document["$float"])
    return {key: unpack(value, tensors) for key, value in document.items()}
