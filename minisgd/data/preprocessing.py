"""What turns raw examples into what a network reads, and its answers into labels: part of a trained model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.data.checks import as_host, as_sparse, check_finite
from minisgd.data.dataset import Dataset
from minisgd.data.labels import Classes
from minisgd.data.standardization import Standardization
from minisgd.data.tables.encoding import Encoding
from minisgd.data.tables.frames import as_table, is_frame, read_frame
from minisgd.data.tables.table import Table
from minisgd.data.tables.text_column import TextEncoding
from minisgd.data.target import LabelKind, Task, named
from minisgd.errors import DataError, ShapeError
from minisgd.sparse import SparseRows, is_sparse
from minisgd.typing import HostArray, Shape


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
    encoding: Encoding | TextEncoding | None = None
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

        raw: an array, a list of rows, a data frame, or the path of a table; a list of texts where text was learned from

        Raises:
            DataError: For columns that are missing and cells that cannot be read.
            ShapeError: For examples of another shape.
        """
        if isinstance(raw, (str, os.PathLike)):
            from minisgd.data.sources import read_table

            raw = read_table(raw)
        if isinstance(self.encoding, TextEncoding) and _are_texts(raw):
            return self.encoding.lexicon.apply(raw)
        if self.encoding is not None:
            return self.encoding.apply(as_table(raw, self.columns))
        if isinstance(raw, Table) or is_frame(raw):
            raw = _block(raw if isinstance(raw, Table) else read_frame(raw), self.input_shape)
        x = as_sparse(raw) if is_sparse(raw) else as_host(raw, "x")
        if x.dtype.kind not in "biuf":
            raise DataError("x", expected="an array of real numbers", got=f"dtype {x.dtype}", fix="convert the values")
        if x.shape[1:] != self.input_shape:
            raise _unlike(x, self.input_shape)
        check_finite(x, "x")
        if x.dtype == np.uint8 and self.standardization is None:
            return x  # which the network scales by itself
        if x.dtype.kind != "f":
            x = x.astype(np.float32)
        if self.standardization is not None:
            return self.standardization.apply(x)
        return x if self.scale == 1 else self._scaled(x)

    def _scaled(self, x: HostArray) -> HostArray:
        """Return floats scaled like the bytes of the training data, or refuse those that are scaled already."""
        if isinstance(x, SparseRows):
            return SparseRows(x.matrix * self.scale)
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


def _are_texts(raw: Any) -> bool:
    """Tell whether raw examples are a list of texts."""
    return isinstance(raw, Sequence | np.ndarray) and all(isinstance(text, str) for text in raw)


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


def _unlike(x: HostArray, shape: Shape) -> ShapeError:
    if x.shape == shape or (x.ndim == 1 and shape == (1,)):
        fix = "pass examples along the first axis: x[None] for a single one"
    else:
        fix = "pass rows like those that the model was trained on"
    return ShapeError("x", expected=f"(N, {', '.join(map(str, shape))})", got=x.shape, fix=fix)
