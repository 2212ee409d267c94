"""Losses: oracles by hand, hits, targets that do not fit, and numbers that overflow a careless formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd.nn as nn
from minisgd.errors import ArgumentError, DataError, ShapeError
from minisgd.nn import (
    L1,
    BinaryCrossEntropy,
    Huber,
    Linear,
    Loss,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from minisgd.nn.losses.loss import TargetKind
from tests.nn.layer_bench import Bench
from tests.nn.layer_tables import LOSSES


def at(
    loss: Loss, z: Any, target: Any, kind: TargetKind = "values", weight: Any = None, dtype: str = "float64"
) -> Bench:
    """Return a bench whose loss has just seen these predictions and targets."""
    z, target = np.asarray(z, dtype), np.asarray(target)
    bench = Bench([Linear(z.shape[1])], (1,), len(z), loss=loss, kind=kind, weighted=weight is not None, dtype=dtype)
    bench.z[...], bench.target[...] = z, target
    if weight is not None:
        bench.weight[...] = weight  # type: ignore[index]
    bench.loss.mean(bench.ops, bench.target)
    bench.loss.gradient(bench.ops)
    return bench


def test_zero_logits_cost_the_logarithm_of_the_classes() -> None:
    bench = at(SoftmaxCrossEntropy(), np.zeros((2, 5)), [3, 0], "labels")
    assert_allclose(bench.loss.value, np.log(5), rtol=1e-15)
    expected = np.full((2, 5), 0.2) - np.eye(5)[[3, 0]]
    assert_allclose(bench.loss.dz, expected / 2, rtol=1e-14)


def test_integer_and_one_hot_targets_are_the_same() -> None:
    z = np.random.default_rng(0).normal(size=(6, 4))
    labels = np.array([0, 1, 2, 3, 3, 0])
    for smoothing in (0.0, 0.1):
        a = at(SoftmaxCrossEntropy(label_smoothing=smoothing), z, labels, "labels")
        b = at(SoftmaxCrossEntropy(label_smoothing=smoothing), z, np.eye(4)[labels])
        assert_allclose(a.loss.losses, b.loss.losses, rtol=1e-13)
        assert_allclose(a.loss.dz, b.loss.dz, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_logits_do_not_overflow(dtype: str) -> None:
    z = [[1e4, -1e4, 0], [-1e4, 1e4, 0]]
    bench = at(SoftmaxCrossEntropy(), z, [0, 0], "labels", dtype=dtype)
    assert_allclose(bench.loss.losses, [0, 2e4])
    assert_allclose(bench.loss.dz, [[0, 0, 0], [-0.5, 0.5, 0]], atol=1e-30)
    bench = at(BinaryCrossEntropy(), [[1e4], [-1e4], [1e4], [-1e4]], [[1], [1], [0], [0]], dtype=dtype)
    assert_allclose(bench.loss.losses, [0, 1e4, 1e4, 0])
    assert_allclose(bench.loss.dz, np.array([[0], [-1], [1], [0]]) / 4, atol=1e-30)


def test_regression_by_hand() -> None:
    z, t = [[1.0, -3.0]], [[0.0, 0.5]]
    assert_allclose(at(MeanSquaredError(), z, t).loss.value, (1 + 3.5**2) / 2)
    assert_allclose(at(MeanSquaredError(), z, t).loss.dz, [[1, -3.5]])
    assert_allclose(at(L1(), z, t).loss.value, (1 + 3.5) / 2)
    assert_allclose(at(L1(), z, t).loss.dz, [[0.5, -0.5]])
    assert_allclose(at(Huber(delta=2), z, t).loss.value, (0.5 + 2 * (3.5 - 1)) / 2)
    assert_allclose(at(Huber(delta=2), z, t).loss.dz, [[0.5, -1]])


def test_absolute_error_has_no_slope_at_its_corner() -> None:
    assert_array_equal(at(L1(), [[2.0]], [[2.0]]).loss.dz, [[0]])


@pytest.mark.parametrize("name", LOSSES)
def test_weights_multiply_examples_and_the_mean_is_over_all_of_them(name: str) -> None:
    row, rng = LOSSES[name], np.random.default_rng(0)
    z = rng.normal(size=(4, 3))
    target, weight = row.draw(rng, z.shape), np.array([0.0, 1.0, 2.0, 0.5])
    plain, weighted = at(row.make(), z, target, row.kind), at(row.make(), z, target, row.kind, weight)
    assert_allclose(weighted.loss.losses, plain.loss.losses * weight, rtol=1e-13)
    assert_allclose(weighted.loss.value, (plain.loss.losses * weight).sum() / 4, rtol=1e-13)
    assert_allclose(weighted.loss.dz, plain.loss.dz * weight[:, None], rtol=1e-13)


@pytest.mark.parametrize("name", LOSSES)
def test_nan_in_one_prediction_is_not_hidden(name: str) -> None:
    row, rng = LOSSES[name], np.random.default_rng(0)
    z = rng.normal(size=(4, 3))
    target = row.draw(rng, z.shape)
    z[2, 1] = np.nan
    assert np.isnan(at(row.make(), z, target, row.kind).loss.value)


@pytest.mark.parametrize(
    ("loss", "z", "target", "kind", "expected"),
    [
        (SoftmaxCrossEntropy(), [[0, 2, 1], [3, 2, 1]], [1, 1], "labels", [1, 0]),
        (SoftmaxCrossEntropy(), [[0, 2, 1], [3, 2, 1]], [[0, 1, 0], [0.2, 0.3, 0.5]], "values", [1, 0]),
        (BinaryCrossEntropy(), [[1, -1], [1, 1], [-1, -1]], [[1, 0], [1, 0], [1, 1]], "values", [1, 0.5, 0]),
    ],
)
def test_hits(loss: Loss, z: Any, target: Any, kind: TargetKind, expected: Any) -> None:
    bench = at(loss, z, target, kind)
    for name, request in loss.hit_requests(bench.z.shape, kind).items():
        setattr(bench.loss, name, np.zeros(request.shape, request.dtype))
    bench.loss.hits(bench.ops, bench.target)
    assert_allclose(bench.loss.hit, expected)


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), MeanSquaredError(), L1(), Huber()])
def test_integer_labels_are_refused_by_losses_of_values(loss: Loss) -> None:
    with pytest.raises(ShapeError, match=r"target must be float values \(B, 3\).*SoftmaxCrossEntropy"):
        loss.declare((4, 3), "labels")


def test_softmax_refuses_images() -> None:
    with pytest.raises(ShapeError, match=r"prediction must be \(B, classes\), got \(B, 2, 2, 3\); .*ms.Linear"):
        SoftmaxCrossEntropy().declare((4, 2, 2, 3), "labels")


@pytest.mark.parametrize("target", [[[0.5, 0.6]], [[1.5, -0.5]], [[0.0, 0.0]], [[np.nan, 1.0]], [0.5, 0.5]])
def test_soft_targets_must_be_probabilities(target: Any) -> None:
    """Whatever the loss was used for before: values (N,) are one output."""
    loss = SoftmaxCrossEntropy()
    with pytest.raises(DataError, match="soft targets must be probabilities"):
        loss.check_target(np.array(target))
    loss.declare((1, 2), "values")
    loss.check_target(np.array([7, 8]))


@pytest.mark.parametrize("target", [[[1.01]], [[-0.1]], [[np.nan]]])
def test_binary_targets_must_be_probabilities(target: Any) -> None:
    with pytest.raises(DataError, match=r"targets must be probabilities in \[0, 1\]"):
        BinaryCrossEntropy().check_target(np.array(target))


@pytest.mark.parametrize("smoothing", [1, -0.1, float("nan"), "a", None, True])
def test_label_smoothing_is_a_share(smoothing: Any) -> None:
    with pytest.raises(ArgumentError, match=r"label_smoothing must be a number in \[0, 1\)"):
        SoftmaxCrossEntropy(label_smoothing=smoothing)


@pytest.mark.parametrize("delta", [0, -1, float("inf"), float("nan"), "a"])
def test_delta_is_positive(delta: Any) -> None:
    with pytest.raises(ArgumentError, match=r"delta must be a number in \(0, inf\)"):
        Huber(delta=delta)


def test_losses_print_as_they_are_made() -> None:
    for row in LOSSES.values():
        loss = row.make()
        again = eval(repr(loss), vars(nn).copy())  # noqa: S307
        assert repr(again) == repr(loss) and type(again) is type(loss)
