"""Sharpness during training: the edge of stability, and a training run that does not notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.errors import ArgumentError
from minisgd.lab.instruments.curvature.tracker import stability_threshold


def edge(lr: float, momentum: float = 0.0, steps: int = 2000) -> ms.SharpnessTracker:
    """Train a small tanh network by full-batch descent on squared errors; return its sharpness."""
    digits = ms.datasets.digits(validation=0.0)
    x, y = digits.train.x[:200] * np.float32(digits.scale), np.eye(10, dtype=np.float32)[digits.train.y[:200]]
    uniform: Any = {"init": ms.init.FanInUniform(), "bias_init": ms.init.FanInUniform()}
    network = ms.Network(
        ms.Linear(32, **uniform), ms.Tanh(), ms.Linear(32, **uniform), ms.Tanh(), ms.Linear(10, **uniform)
    )
    tracker = ms.SharpnessTracker(every=100)
    ms.train(
        network,
        (x, y),
        optimizer=ms.SGD(lr=lr, momentum=momentum),
        loss=ms.MeanSquaredError(),
        batch_size="full",
        steps=steps,
        evaluate_every=500,
        callbacks=[tracker],
    )
    return tracker


@pytest.mark.parametrize(("lr", "momentum"), [(0.5, 0.0), (1.0, 0.5)])
def test_full_batch_descent_goes_to_the_edge_of_stability(lr: float, momentum: float) -> None:
    """λmax rises to 2 (1 + μ)/lr and stays about there (Cohen et al. 2021)."""
    tracker = edge(lr, momentum)
    limit = 2 * (1 + momentum) / lr
    assert_allclose(tracker.threshold, limit, rtol=1e-12)
    assert tracker.lambda_max[0] < 0.6 * limit
    assert_allclose(tracker.lambda_max[-5:], limit, rtol=0.12)
    assert tracker.loss[-1] < tracker.loss[0] / 5


def test_samples_are_the_sharpness_at_their_step() -> None:
    data = ms.datasets.digits(validation=0.2)
    network = ms.model("mlp-bn:6", data.input_shape, 10)
    tracker = ms.SharpnessTracker(every=5, examples=100, seed=1, tolerance=1e-7)
    run = ms.train(network, data, steps=10, callbacks=[tracker], optimizer=ms.SGD(lr=0.2))
    assert_array_equal(tracker.steps, [0, 5, 10])
    here = ms.Objective(run.network, data, examples=100, seed=1)
    assert_allclose(tracker.lambda_max[-1], ms.hessian_eigenvalues(here).top.value, rtol=1e-6)
    assert_allclose(tracker.loss[-1], here.value(here.start), rtol=1e-12)
    assert all(sample.converged and sample.batch_size == 32 and sample.lr == 0.2 for sample in tracker.samples)


@pytest.mark.parametrize("model", ["mlp:8", "mlp-bn:8"])
def test_the_training_is_bit_for_bit_what_it_is_without(model: str) -> None:
    data = ms.datasets.digits(validation=0.2)
    layers = [ms.model(model, data.input_shape, 10), ms.Dropout(0.3), ms.Linear(10)]
    network = ms.Network(*layers)
    watched, plain = (
        ms.train(network, data, epochs=1, callbacks=callbacks, optimizer=ms.SGD(lr=0.1, momentum=0.9))
        for callbacks in ([ms.SharpnessTracker(every=7, examples=50)], [])
    )
    assert_array_equal(watched.network.vector, plain.network.vector)
    assert_array_equal(watched.network.statistics, plain.network.statistics)
    assert watched.history["val_loss"] == plain.history["val_loss"]


def test_thresholds_of_the_optimizers() -> None:
    assert_allclose(stability_threshold(ms.SGD(lr=0.1), 0.1), 20)
    assert_allclose(stability_threshold(ms.SGD(lr=0.1, momentum=0.9), 0.1), 38)
    assert_allclose(stability_threshold(ms.SGD(lr=0.1, momentum=0.9, nesterov=True), 0.1), 38 / 2.8)
    assert_allclose(stability_threshold(ms.SGD(lr=0.1, weight_decay=0.5), 0.1), 19.5)
    assert np.isnan(stability_threshold(ms.Adam(lr=0.1), 0.1))


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("nesterov", [False, True])
def test_the_threshold_is_where_a_quadratic_begins_to_diverge(momentum: float, nesterov: bool) -> None:
    """Spectral radius of the update of (θ, v) at h a little below and above the threshold."""
    if nesterov and not momentum:
        return
    lr = 0.1
    limit = stability_threshold(ms.SGD(lr=lr, momentum=momentum, nesterov=nesterov), lr)
    radius = []
    for h in (0.999 * limit, 1.001 * limit):
        v = np.array([h, momentum])  # v' = μ v + h θ, as a row on (θ, v)
        move = h * np.array([1.0, 0.0]) + momentum * v if nesterov else v
        radius.append(np.abs(np.linalg.eigvals(np.array([np.array([1.0, 0.0]) - lr * move, v]))).max())
    assert radius[0] < 1 < radius[1]


def test_files(tmp_path: Path) -> None:
    data = ms.datasets.digits(validation=0.2)
    tracker = ms.SharpnessTracker(every=2, examples=50, products=2)
    ms.train(ms.model("linear", data.input_shape, 10), data, steps=4, callbacks=[tracker], optimizer=ms.Adam(lr=0.01))
    document = json.loads(tracker.save(tmp_path / "sharpness.json").read_text())
    assert [row["step"] for row in document["samples"]] == [0, 2, 4]
    assert document["samples"][0]["threshold"] is None and document["seconds"] > 0
    pytest.importorskip("matplotlib")
    assert tracker.save(tmp_path / "sharpness.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_uses_are_refused(tmp_path: Path) -> None:
    for name in ("a.png", "a.json"):
        with pytest.raises(ArgumentError, match="tracker must be used in a training run"):
            ms.SharpnessTracker().save(tmp_path / name)
    for options in ({"every": 0}, {"products": 0}, {"tolerance": 1.0}):
        with pytest.raises(ArgumentError, match=next(iter(options))):
            ms.SharpnessTracker(**options)  # type: ignore[arg-type]
