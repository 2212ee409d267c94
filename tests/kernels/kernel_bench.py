"""What tests of kernels share: the sizes that find mistakes, and what counts as equal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.testing import assert_allclose

from minisgd.backend import NumpyOps
from minisgd.backend.cuda.kernels.splits import Workspace
from minisgd.nn import Layer

OPS = NumpyOps()

BATCHES = (1, 31, 32, 33, 257)
"""One, around the width of a warp, and more than a block with a rest."""

REPLICAS = (1, 3)


def address(a: np.ndarray) -> int:
    return OPS.address(a)


def normal(shape: tuple[int, ...], dtype: Any = "float64", seed: int = 0) -> np.ndarray:
    """Return normal numbers that are exact in float32, so that kernel and reference start from the same."""
    numbers = np.random.default_rng(seed).standard_normal(shape).astype("float32")
    aligned = OPS.empty(shape, dtype)
    aligned[...] = numbers
    return aligned


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an array to be written: NaN where a kernel forgets an element."""
    array = OPS.empty(shape, dtype)
    array[...] = np.nan if array.dtype.kind == "f" else 77
    return array


def workspace(elements: int, dtype: Any) -> Workspace:
    """Return room for so many partial results, undefined, and for arrivals, none yet."""
    return Workspace(empty((max(2, elements),), dtype), np.zeros(max(1, elements // 2), np.int32))


def assert_close(
    actual: np.ndarray, reference: np.ndarray, *, terms: np.ndarray | None = None, condition: float = 1.0
) -> None:
    """Compare with a float64 reference: 1e-5 relative in float32, 1e-12 in float64.

    Relative to each element and to the largest of the array, or of its terms where they nearly cancel.
    condition: how much the formula enlarges the rounding of its operands, which takes 1e-5 apart beyond 40.
    """
    tolerance = max(1.0, condition / 40) * (1e-5 if actual.dtype == np.float32 else 1e-12)
    size = np.abs(reference if terms is None else terms)
    assert_allclose(actual, reference, rtol=tolerance, atol=tolerance * size[np.isfinite(size)].max(initial=0))


def run_layer(layer: Layer, x: np.ndarray, dy: np.ndarray, **parameters: np.ndarray) -> Layer:
    """Run a layer of minisgd.nn forward and backward in float64, every array with memory of its own.

    x, dy (R, B, …)   parameters by name, such as W (R, I, O); vectors as (R, 1, O)
    Returns the layer, with y, dx, the gradients and all its buffers as attributes.
    """
    ops, lead, shape = NumpyOps(), x.shape[:1], x.shape[1:]
    declared = layer.declare(shape)
    layer.lead, layer.x, layer.dx = lead, x.astype("float64"), np.zeros(x.shape)
    layer.y = np.zeros((*lead, *declared.y))
    for name, value in parameters.items():
        setattr(layer, name, value.astype("float64"))
        setattr(layer, f"d{name}", np.zeros(value.shape))
    for name, buffer in declared.buffers.items():
        setattr(layer, name, np.zeros((*lead, *buffer.shape), buffer.dtype or "float64"))
    for name, statistic in declared.statistics.items():
        first = statistic.init(np.random.default_rng(0), statistic.shape, 1, 1)
        setattr(layer, name, np.broadcast_to(first, (*lead, 1, *first.shape)).copy())
    layer.forward(ops, layer.x)
    layer.backward(ops, dy.astype("float64"))
    return layer
