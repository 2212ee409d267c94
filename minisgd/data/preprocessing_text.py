"""Preprocessing as JSON, as it stands in the file of the weights: written, and read back where all of it is sound."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

import numpy as np

from minisgd.data.preprocessing import Preprocessing
from minisgd.data.standardization import Standardization
from minisgd.data.tables.encoding import Encoding
from minisgd.data.tables.text_column import TextEncoding
from minisgd.data.target import LabelKind, Task, named
from minisgd.errors import DataError, MinisgdError

VERSION = 1


def written(preprocessing: Preprocessing) -> str:
    """Return preprocessing as text."""
    values = {field.name: getattr(preprocessing, field.name) for field in fields(preprocessing)}
    rule, encoding = preprocessing.standardization, preprocessing.encoding
    values["standardization"] = rule and {"mean": rule.mean.tolist(), "std": rule.std.tolist()}
    values["encoding"] = encoding and encoding.to_dict()
    return json.dumps({"version": VERSION, **values})


def read_preprocessing(text: str) -> Preprocessing:
    """Return what ``written`` wrote.

    Raises:
        DataError: For another version, and for text that is nothing of the kind.
    """
    try:
        values = json.loads(text)
        version = values["version"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(f"{type(error).__name__}: {error}") from error
    if version != VERSION:
        raise DataError(
            "preprocessing", expected=f"of version {VERSION}", got=version, fix="use the minisgd that wrote it"
        )
    try:
        return _checked(values)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError, MinisgdError) as error:
        raise _damaged(str(error)) from error


def _checked(values: Mapping[str, Any]) -> Preprocessing:
    shape, classes, columns = values["input_shape"], values["classes"], values["columns"]
    rule, encoding = values["standardization"], values["encoding"]
    _require(values["task"] in get_args(Task), "task")
    _require(bool(shape) and all(type(n) is int and n > 0 for n in shape), "input_shape")
    _require(isinstance(values["scalar"], bool), "scalar")
    _require(isinstance(values["scale"], float) and 0 < values["scale"] < float("inf"), "scale")
    _require(classes is None or (isinstance(classes, list) and len(classes) > 0), "classes")
    _require(all(isinstance(name, str) for name in classes or ()), "classes")
    _require((classes is None) == (values["task"] == "regression"), "classes")
    _require(values["labels"] in get_args(LabelKind), "labels")
    _require(all(isinstance(name, str) for name in (*columns, *values["targets"])), "columns")
    _require(type(values["outputs"]) is int and values["outputs"] > 0, "outputs")
    standardization = None
    if rule is not None:
        standardization = Standardization(np.array(rule["mean"], np.float64), np.array(rule["std"], np.float64))
        for array in (standardization.mean, standardization.std):
            _require(array.shape == tuple(shape) and bool(np.isfinite(array).all()), "standardization")
        _require(bool((standardization.std > 0).all()), "standardization")
    read: Encoding | TextEncoding | None = None
    if encoding is not None:
        read = TextEncoding.from_dict(encoding) if "text" in encoding else Encoding.from_dict(encoding)
    _require(read is None or (read.width,) == tuple(shape), "encoding")
    kind: LabelKind = values["labels"]
    if classes is not None:
        named(tuple(classes), kind)
    return Preprocessing(
        values["task"],
        tuple(shape),
        values["scalar"],
        values["scale"],
        None if classes is None else tuple(classes),
        kind,
        standardization,
        read,
        tuple(columns),
        tuple(values["targets"]),
        values["outputs"],
    )


def _require(sound: bool, name: str) -> None:
    if not sound:
        raise _damaged(f"another {name}")


def _damaged(got: str) -> DataError:
    return DataError("preprocessing", expected="as minisgd writes it", got=got, fix="train and save the model again")
