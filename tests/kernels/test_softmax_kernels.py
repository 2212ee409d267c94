"""Softmax of rows, of those that count only some columns too, against its formula in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn import Softmax
from minisgd.nn.cuda.softmax import SoftmaxKernels
from minisgd.nn.layers.attention import HIDDEN
from tests.kernels.kernel_bench import BATCHES, REPLICAS, assert_close, empty, normal, run_layer


def reference(S: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the softmax over the columns that count, 0 where none does."""
    S = np.where(counts, S.astype("float64"), -np.inf)
    top = np.where(counts.any(-1, keepdims=True), S.max(-1, keepdims=True), 0.0)
    shares = np.exp(S - top)
    return shares / np.maximum(shares.sum(-1, keepdims=True), 1)


@pytest.mark.parametrize("B", BATCHES)
@pytest.mark.parametrize("R", REPLICAS)
@pytest.mark.parametrize("F", [1, 32, 65])
def test_forward_and_backward(library, R, B, F):
    kernels, S, dP = SoftmaxKernels(library), normal((R, B, F), library.dtype), normal((R, B, F), library.dtype, seed=1)
    P, dS = empty(S.shape, library.dtype), empty(S.shape, library.dtype)
    kernels.forward(S, P)
    kernels.backward(P, dP, dS)
    expected = reference(S, np.ones(S.shape, bool))
    assert_close(P, expected)
    assert_close(dS, expected * (dP - (dP * expected).sum(-1, keepdims=True)), terms=expected * dP)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(("R", "B", "H", "T"), [(1, 1, 1, 1), (1, 2, 3, 31), (3, 3, 2, 33)])
def test_what_does_not_count_is_left_out(library, causal, padded, R, B, H, T):
    """Whatever the others score; and a row that counts nothing is 0."""
    S = (1e5 * normal((R, B * H * T, T), library.dtype)).reshape(R, B, H, T, T)
    hides = np.random.default_rng(1).random((R, B, T)) < 0.5
    hides[:, 0] = True
    counts = np.broadcast_to(~hides[:, :, None, None] if padded else True, S.shape)
    counts = counts & (np.tri(T, dtype=bool) if causal else True)
    hidden = (HIDDEN * hides).astype(library.dtype) if padded else None
    P = empty((R, B * H * T, T), library.dtype)
    SoftmaxKernels(library).forward(S.reshape(P.shape), P, hidden, causal=causal)
    assert_close(P, reference(S, counts).reshape(P.shape))
    assert not P.reshape(S.shape)[~counts].any()


def test_the_layer_of_the_cpu(float64):
    x, dy = normal((3, 33, 7)), normal((3, 33, 7), seed=1)
    layer, y, dx = run_layer(Softmax(), x, dy), empty(x.shape, "float64"), empty(x.shape, "float64")
    SoftmaxKernels(float64).forward(x, y)
    SoftmaxKernels(float64).backward(y, dy, dx)
    assert_close(y, layer.y)
    assert_close(dx, layer.dx)


def test_results_may_take_the_place_of_operands(float32):
    kernels, S, dP = SoftmaxKernels(float32), normal((2, 9, 33), "float32"), normal((2, 9, 33), "float32", seed=1)
    P, dS = empty(S.shape, "float32"), empty(S.shape, "float32")
    kernels.forward(S, P)
    kernels.backward(P, dP, dS)
    kernels.forward(S, S)
    kernels.backward(P, dP, dP)
    assert_array_equal(S, P)
    assert_array_equal(dP, dS)


def test_nan_shows_in_its_row_alone(float32):
    S, P = normal((1, 3, 40), "float32"), empty((1, 3, 40), "float32")
    S[0, 1, 35], S[0, 2, 0] = np.nan, np.inf
    for hidden in (None, np.zeros((1, 3, 40), "float32")):
        SoftmaxKernels(float32).forward(S, P, hidden)
        assert np.isfinite(P[0, 0]).all() and np.isnan(P[0, 1]).all() and np.isnan(P[0, 2]).any()


def test_refuses_what_does_not_fit(float32):
    kernels, S = SoftmaxKernels(float32), normal((1, 6, 3), "float32")
    with pytest.raises(ShapeError, match="softmax: P must be of shape"):
        kernels.forward(S, S[:, :3])
    with pytest.raises(ShapeError, match="softmax: hidden must be of shape"):
        kernels.forward(S, S, S[:, :2, :2])
    with pytest.raises(ShapeError, match="softmax_dx: dS must be of shape"):
        kernels.backward(S, S, S[:, :3])
    with pytest.raises(ArgumentError, match="must be"):
        kernels.forward(S[:, :0], S[:, :0])
