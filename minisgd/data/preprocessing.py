"""What turns raw examples into what a network reads, and its answers into labels: part of a trained model."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from minisgd.data.checks import as_host, check_finite
from minisgd.data.dataset import Dataset
from minisgd.data.labels import Classes
from minisgd.data.standardization import Standardization
from minisgd.data.tables.encoding import Encoding
from minisgd.data.tables.frames import as_table, is_frame, read_frame
from minisgd.data.tables.table import Table
from minisgd.data.target import LabelKind, Task, named
from minisgd.errors import DataError, MinisgdError, ShapeError
from minisgd.typing import HostArray, Shape

VERSION = 1


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """What was done to the training data, so that it can be done to any other.

    input_shape: of one example, as the network reads it   scalar: whether targets are (N,), not (N, O)
    scale: factor on x, 1/255 for images of bytes
    columns: the feature columns of a table in their order   targets: the names of its target columns
    outputs: O, how many values are predicted for an example, or how many classes
    """

    task: Task
    input_shape: Shape
    scalar: bool
    scale: float = 1.0
    classes: Classes | None = None
    labels: LabelKind = "text"
    standardization: Standardization | None = None
    encoding: Encoding | None = None
    columns: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    outputs: int = 1

    @classmethod
    def of(cls, data: Dataset) -> Preprocessing:
        """Return what was done to the training part of a data set."""
        return cls(
            data.task,
            data.input_shape,
            data.train.y.ndim == 1,
            data.scale,
            data.classes,
            data.target.labels if data.target else "text",
            data.standardization,
            data.encoding,
            data.columns,
            data.target.names if data.target else (),
            data.n_outputs,
        )

    def inputs(self, raw: Any) -> HostArray:
        """Return raw examples as the network reads them, (N, *input_shape).

        raw: an array, a list of rows, a data frame, or the path of a table

        Raises:
            DataError: For columns that are missing and cells that cannot be read.
            ShapeError: For examples of another shape.
        """
        if isinstance(raw, (str, os.PathLike)):
            from minisgd.data.sources import read_table

            raw = read_table(raw)
        if self.encoding is not None:
            return self.encoding.apply(as_table(raw, self.columns))
        if isinstance(raw, Table) or is_frame(raw):
            raw = _block(raw if isinstance(raw, Table) else read_frame(raw), self.input_shape)
        x = as_host(raw, "x")
        if x.dtype.kind not in "biuf":
            raise DataError("x", expected="an array of real numbers", got=f"dtype {x.dtype}", fix="convert the values")
        if x.shape[1:] != self.input_shape:
            x = _reshaped(x, self.input_shape)
        check_finite(x, "x")
        if x.dtype == np.uint8 and self.standardization is None:
            return x  # which the network scales by itself
        if x.dtype.kind != "f":
            x = x.astype(np.float32)
        if self.standardization is not None:
            return self.standardization.apply(x)
        return x if self.scale == 1 else self._scaled(x)

    def _scaled(self, x: HostArray) -> HostArray:
        """Return floats scaled like the bytes of the training data, or refuse what somebody has scaled already."""
        if self.scale < 1 and x.size and 0 <= x.min() and x.max() <= 1 and (x != np.round(x)).any():
            raise DataError(
                "x",
                expected=f"unscaled like the training data, which were multiplied by 1/{1 / self.scale:g}",
                got="floats from 0 to 1",
                fix=f"multiply them by {1 / self.scale:g}, or call run.network.predict(x)",
            )
        scaled: HostArray = x * np.asarray(self.scale, x.dtype)
        return scaled

    def labels_of(self, codes: HostArray) -> HostArray:
        """Return the labels of class codes as they were in the training data."""
        assert self.classes is not None
        chosen: HostArray = named(self.classes, self.labels)[codes]
        return chosen

    # ------------------------------------------------ in the file of the weights

    def to_json(self) -> str:
        """Return all of it as text."""
        rule = self.standardization
        return json.dumps(
            {
                "version": VERSION,
                "task": self.task,
                "input_shape": self.input_shape,
                "scalar": self.scalar,
                "scale": self.scale,
                "classes": self.classes,
                "labels": self.labels,
                "standardization": rule and {"mean": rule.mean.tolist(), "std": rule.std.tolist()},
                "encoding": self.encoding and self.encoding.to_dict(),
                "columns": self.columns,
                "targets": self.targets,
                "outputs": self.outputs,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Preprocessing:
        """Return what ``to_json`` wrote.

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
            return cls._checked(values)
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError, MinisgdError) as error:
            raise _damaged(str(error)) from error

    @classmethod
    def _checked(cls, values: Mapping[str, Any]) -> Preprocessing:
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
        read = None if encoding is None else Encoding.from_dict(encoding)
        _require(read is None or (read.width,) == tuple(shape), "encoding")
        kind: LabelKind = values["labels"]
        if classes is not None:
            named(tuple(classes), kind)
        return cls(
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


def _block(table: Table, shape: Shape) -> HostArray:
    """Return the numbers of a table whose columns are the features, in their order."""
    if len(shape) != 1 or len(table.numeric) != len(table.names) or len(table.names) != shape[0]:
        raise ShapeError(
            table.source,
            expected=f"{shape[0]} columns of numbers" if len(shape) == 1 else f"arrays of shape (N, {shape})",
            got=f"{len(table.names)} columns, {len(table.numeric)} of numbers",
            fix="pass what the model was trained on",
        )
    return table.numbers


def _reshaped(x: HostArray, shape: Shape) -> HostArray:
    if x.shape == shape or (x.ndim == 1 and shape == (1,)):
        fix = "pass examples along the first axis: x[None] for a single one"
    else:
        fix = "pass rows like those that the model was trained on"
    raise ShapeError("x", expected=f"(N, {', '.join(map(str, shape))})", got=x.shape, fix=fix)


def _require(sound: bool, name: str) -> None:
    if not sound:
        raise _damaged(f"another {name}")


def _damaged(got: str) -> DataError:
    return DataError("preprocessing", expected="as minisgd writes it", got=got, fix="train and save the model again")
