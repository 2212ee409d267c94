"""Softmax cross-entropy against the loss of minisgd.nn in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import NumpyOps
from minisgd.errors import DtypeError, ShapeError
from minisgd.nn import SoftmaxCrossEntropy
from minisgd.nn.cuda.cross_entropy import CrossEntropyKernels, lanes_for
from tests.kernels.kernel_bench import BATCHES, REPLICAS, assert_close, empty, normal


def reference(z, target, weight, smoothing):
    """loss (R, B) and dz (R, B, C) as the loss of minisgd.nn defines them, in float64."""
    z, C = z.astype("float64"), z.shape[-1]
    t = np.eye(C)[target] if target.ndim == 2 else target.astype("float64")
    t = (1 - smoothing) * t + smoothing / C
    w = 1.0 if weight is None else weight.astype("float64")[..., None]
    s = z - z.max(-1, keepdims=True)
    total = np.exp(s).sum(-1, keepdims=True)
    loss = w * (np.log(total) - (t * s).sum(-1, keepdims=True))
    return loss[..., 0], w / z.shape[1] * (np.exp(s) / total - t)


@pytest.mark.parametrize("B", BATCHES)
@pytest.mark.parametrize("R", REPLICAS)
@pytest.mark.parametrize("C", [2, 10, 33])
def test_labels(library, R, B, C):
    rng = np.random.default_rng(0)
    z, label = 5 * normal((R, B, C), library.dtype), rng.integers(0, C, (R, B))
    weight = rng.integers(0, 4, (R, B)).astype(library.dtype) if R > 1 else None
    smoothing = 0.125 if B % 2 else 0.0
    loss, dz = empty((R, B), library.dtype), empty(z.shape, library.dtype)
    CrossEntropyKernels(library)(z, label, loss, dz, weight=weight, smoothing=smoothing)
    loss_, dz_ = reference(z, label, weight, smoothing)
    assert_close(loss, loss_)
    assert_close(dz, dz_)


@pytest.mark.parametrize("B", BATCHES)
@pytest.mark.parametrize("R", REPLICAS)
@pytest.mark.parametrize("soft", [False, True])
def test_losses_are_added_up_on_the_way(float32, R, B, soft):
    z, weight = normal((R, B, 10), "float32"), np.abs(normal((R, B), "float32", seed=1))
    target = np.full((R, B, 10), 0.1, "float32") if soft else np.arange(R * B).reshape(R, B) % 10
    loss, dz, value, arrived = (*(empty(s, "float32") for s in ((R, B), z.shape, (R,))), np.zeros(R + 2, np.int32))
    total = np.arange(R, dtype="float64")
    kernels = CrossEntropyKernels(float32)
    for _ in range(2):
        kernels(z, target, loss, dz, weight=weight, value=value, total=total, arrived=arrived)
    assert_close(value, loss.astype("float64").sum(1))
    assert_array_equal(total, np.arange(R) + value.astype("float64") + value)
    assert not arrived.any()
    with pytest.raises(ShapeError, match=r"cross_entropy: arrived must be \d numbers at least"):
        kernels(z, target, loss, dz, value=value)


@pytest.mark.parametrize("C", [1, 10, 100])
def test_probabilities_in_place(library, C):
    z, t = normal((3, 33, C), library.dtype), np.abs(normal((3, 33, C), library.dtype, seed=1))
    t /= t.sum(-1, keepdims=True)
    loss_, dz_ = reference(z, t, None, 0.25)
    loss = empty((3, 33), library.dtype)
    CrossEntropyKernels(library)(z, t, loss, z, smoothing=0.25)
    assert_close(loss, loss_, terms=np.ones(1))
    assert_close(z, dz_)


def test_agrees_with_the_loss_of_the_cpu(float64):
    ops, loss = NumpyOps(), SoftmaxCrossEntropy(label_smoothing=0.1)
    z, label = normal((33, 10)), np.arange(33) % 10
    for name, buffer in loss.declare(z.shape, "labels").buffers.items():
        setattr(loss, name, np.zeros(buffer.shape))
    loss.z, loss.dz, loss.losses, loss.value, loss.weight = z, np.zeros(z.shape), np.zeros(33), np.zeros(()), None
    loss.mean(ops, label)
    loss.gradient(ops)
    losses, dz = empty((1, 33), "float64"), empty((1, 33, 10), "float64")
    CrossEntropyKernels(float64)(z[None], label[None], losses, dz, smoothing=0.1)
    assert_close(losses[0], loss.losses)
    assert_close(dz[0], loss.dz)


def test_extreme_logits(float32):
    z = np.array([[[1e4, -1e4, 0], [0, -np.inf, 1], [np.nan, 0, 0], [np.inf, 0, 0]]], "float32")
    loss, dz = empty((1, 4), "float32"), empty((1, 4, 3), "float32")
    CrossEntropyKernels(float32)(z, np.array([[1, 0, 2, 0]]), loss, dz)
    assert loss[0, 0] == 2e4
    assert np.isfinite(loss[0, 1]) and np.isfinite(dz[0, 1]).all()  # probability 0 for a class nobody wants is no harm
    assert np.isnan(loss[0, 2]) and np.isnan(dz[0, 2]).all()
    assert np.isnan(loss[0, 3])


@pytest.mark.parametrize(("C", "lanes"), [(1, 4), (4, 4), (5, 16), (10, 16), (17, 32), (1000, 32)])
def test_lanes(C, lanes):
    assert lanes_for(C) == lanes


def test_refuses_what_does_not_fit(float32):
    kernel, z, loss = CrossEntropyKernels(float32), empty((1, 4, 3), "float32"), empty((1, 4), "float32")
    with pytest.raises(ShapeError, match="cross_entropy: target must be of shape"):
        kernel(z, np.zeros((1, 5), "int64"), loss, z)
    with pytest.raises(DtypeError, match="cross_entropy: label must be an array of int64"):
        kernel(z, np.zeros((1, 4), "int32"), loss, z)
    nothing = np.zeros((1, 0, 3), "float32")
    with pytest.raises((ShapeError, ValueError), match="must be"):
        kernel(nothing, np.zeros((1, 0), "int64"), nothing[..., 0], nothing)
    assert_array_equal(z, np.nan)
