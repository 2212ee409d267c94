"""Examples and their targets, sound from the moment they exist."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from minisgd.data.checks import check_finite
from minisgd.data.labels import Classes
from minisgd.errors import DataError
from minisgd.sparse import SparseRows
from minisgd.typing import HostArray

_ROUNDING = 1e-6
"""Weights whose mean is this near to 1 are left as they are, to the last bit."""


@dataclass(frozen=True, eq=False)
class Split:
    """Examples and their targets.

    Args:
        x: (N, …) features as float32, float64 or uint8, possibly memory-mapped.
        y: (N,) int64 label codes; or (N, …) a code for every position, negative where none counts; or float targets
            (N,) or (N, O, …); or soft labels (N, C).
        weight: (N,) floats ≥ 0, or None where every example counts the same. In a Dataset their mean is 1.

    Raises:
        DataError: For arrays of other types, of unequal or zero length, and for values that are not finite.
    """

    x: HostArray
    y: HostArray
    weight: HostArray | None = None

    def __post_init__(self) -> None:
        _check_features(self.x)
        _check_targets(self.y)
        require_length("y", self.y, len(self.x))
        check_finite(self.x, "x")
        check_finite(self.y, "y")
        if self.weight is not None:
            require_length("weight", self.weight, len(self.x))
            _check_weight(self.weight)

    def __len__(self) -> int:
        """N, the number of examples."""
        return len(self.x)

    def present(self) -> Split:
        """Return the split without the rows of weight 0."""
        return self if self.weight is None or self.weight.all() else self.take(np.flatnonzero(self.weight))

    def normalized(self) -> Split:
        """Return the split without rows of weight 0, and with weights of mean 1.

        A row of weight 0 is then as if it were not there, and the mean of losses over rows is their weighted mean
        Σ w ℓ / Σ w, for which a row of weight 2 stands there twice. An unweighted row counts as much as one of mean
        weight.
        """
        if self.weight is None:
            return self
        split = self.present()
        mean = split.weight.mean(dtype=np.float64)  # type: ignore[union-attr]
        if abs(mean - 1) < _ROUNDING:
            return split
        return replace(split, weight=(split.weight / mean).astype(self.weight.dtype))

    def take(self, rows: HostArray | slice) -> Split:
        """Return some of the examples.

        Args:
            rows: Row numbers, whose rows are copied, or a slice, which gives views.

        Returns:
            The split of these rows.
        """
        return Split(self.x[rows], self.y[rows], None if self.weight is None else self.weight[rows])


def _check_features(x: HostArray) -> None:
    if not isinstance(x, np.ndarray | SparseRows) or x.dtype not in (np.float32, np.float64, np.uint8):
        raise DataError(
            "x", expected="a float32, float64 or uint8 array", got=_kind(x), fix="use Dataset.from_arrays, it converts"
        )
    if x.ndim < 2:
        raise DataError(
            "x", expected="of shape (N, …), a row per example", got=f"shape {x.shape}", fix="use x.reshape(len(x), -1)"
        )
    if not x.size:
        raise DataError(
            "x",
            expected="an array of at least one example with one feature",
            got=f"shape {x.shape}",
            fix="pass at least one example",
        )


def _check_targets(y: HostArray) -> None:
    if not isinstance(y, np.ndarray) or y.dtype not in (np.int64, np.float32, np.float64):
        raise DataError(
            "y", expected="int64 codes or float targets", got=_kind(y), fix="use Dataset.from_arrays, it converts"
        )
    if not y.ndim or 0 in y.shape[1:]:
        raise DataError(
            "y",
            expected="labels (N,) or (N, T), or floats (N,) or (N, O)",
            got=f"shape {y.shape}",
            fix="reshape the targets",
        )


def _check_weight(weight: HostArray) -> None:
    if not isinstance(weight, np.ndarray) or weight.dtype not in (np.float32, np.float64) or weight.ndim != 1:
        raise DataError("weight", expected="floats of shape (N,)", got=_kind(weight), fix="pass one per example")
    check_finite(weight, "weight")
    if (weight < 0).any() or not weight.any():
        row = int(weight.argmin())
        raise DataError(
            "weight", expected="≥ 0 and not all 0", got=f"{weight[row]} in row {row}", fix="use 0 to leave a row out"
        )


def require_alike(split: Split, train: Split) -> None:
    """Refuse a split that is not of the training split's kind."""
    for name, mine, other in (("x", split.x, train.x), ("y", split.y, train.y)):
        if (mine.dtype.kind, mine.shape[1:]) != (other.dtype.kind, other.shape[1:]):
            raise DataError(
                name,
                expected=f"rows of shape {other.shape[1:]} and dtype {other.dtype} like the training split",
                got=f"{mine.shape[1:]} and {mine.dtype}",
                fix="prepare every split in the same way",
            )


def require_codes(y: HostArray, classes: Classes | None) -> None:
    """Refuse labels without classes, and labels outside them."""
    if classes is None:
        if y.dtype == np.int64:
            raise DataError(
                "classes",
                expected="the names of the classes, as y holds labels",
                got=None,
                fix="use Dataset.from_arrays",
            )
    elif y.dtype == np.int64 and y.ndim > 1:
        if y.max() >= len(classes):
            raise DataError("y", expected=f"codes up to {len(classes) - 1}", got=y.max(), fix="name every class")
    elif y.ndim == 1 and (y.dtype != np.int64 or y.min() < 0 or y.max() >= len(classes)):
        raise DataError(
            "y",
            expected=f"codes from 0 to {len(classes) - 1}",
            got=f"{y.dtype} from {y.min()} to {y.max()}",
            fix="use Dataset.from_arrays",
        )
    elif y.ndim == 2 and y.shape[1] != len(classes):
        raise DataError("y", expected=f"soft labels (N, {len(classes)})", got=y.shape, fix="name every class")


def require_length(name: str, array: HostArray, n: int) -> None:
    """Refuse an array that has not one row for each of the N rows of x."""
    if getattr(array, "ndim", 0) == 0 or len(array) != n:
        raise DataError(
            name,
            expected=f"of length {n}, one per row of x",
            got=f"shape {array.shape}" if hasattr(array, "shape") else _kind(array),
            fix="give one for each row of x",
        )


def _kind(array: object) -> str:
    return f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
