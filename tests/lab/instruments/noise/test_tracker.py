"""Noise while training: the same bits with it as without, and figures that can be checked."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.typing import Array, HostArray


def train(model: str, *callbacks: ms.Callback, **options: object) -> ms.Run:
    data = ms.datasets.digits(validation=None)
    settings = {"steps": 60, "batch_size": 32, "optimizer": ms.SGD(lr=0.1, momentum=0.9)} | options
    return ms.train(ms.model(model, data.input_shape, 10), data, callbacks=callbacks, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["mlp:16", "mlp-bn:16"])
@pytest.mark.parametrize("micro_batch", [None, 10])
def test_the_training_is_the_same_to_the_last_bit(model: str, micro_batch: int | None) -> None:
    tracker = ms.NoiseTracker(every=7, examples=6)
    tracked, plain = train(model, tracker, micro_batch=micro_batch), train(model, micro_batch=micro_batch)
    assert_array_equal(tracked.network.vector, plain.network.vector)
    assert_array_equal(tracked.network.statistics, plain.network.statistics)
    assert tracker.steps == [0, 7, 14, 21, 28, 35, 42, 49, 56]


class Witness(ms.Callback):
    """Keeps what a sample should have seen."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[HostArray, HostArray]] = {}
        self.networks: dict[int, ms.Network] = {}

    def on_gradient(self, training, index: HostArray, gradient: Array) -> None:  # type: ignore[no-untyped-def]
        self.seen[training.session.steps] = index[0].copy(), np.array(gradient)
        self.networks[training.session.steps] = training.network.copy()


@pytest.mark.parametrize(("model", "transform"), [("mlp:16", None), ("mlp-bn:16", None), ("mlp:16", ms.Noise(0.5))])
def test_a_sample_compares_single_gradients_with_that_of_the_batch(model: str, transform: ms.Noise | None) -> None:
    witness, tracker = Witness(), ms.NoiseTracker(every=10, examples=6)
    run = train(model, witness, tracker, dtype="float64", transform=transform)
    for step, found in zip(tracker.steps, tracker.once, strict=True):
        index, gradient = witness.seen[step]
        net, part = witness.networks[step], run.data.train.take(index[:6])
        g = ms.per_example_gradients(net, part.x, part.y)
        small, b = (g**2).sum(1).mean(), 32
        if model == "mlp-bn:16" or transform:  # then the batch gradient is no mean of single ones
            gradient, b = g.mean(0), 6
        large = gradient @ gradient
        assert_allclose(found.grad_sq_norm, (b * large - small) / (b - 1), rtol=1e-8)
        assert_allclose(found.trace_covariance, (small - large) / (1 - 1 / b), rtol=1e-8)


def test_averages_approach_the_noise_where_nothing_moves() -> None:
    data = ms.datasets.digits(validation=None)
    tracker = ms.NoiseTracker(every=1, examples=16, decay=0.999)
    with pytest.warns(ms.TrainingWarning, match="another learning rate than 1e-12"):
        still = train("linear", tracker, optimizer=ms.SGD(lr=1e-12), steps=600, dtype="float64", batch_size=64)
    true = ms.gradient_noise(still.network, data)
    assert_allclose(tracker.mean.grad_sq_norm, true.grad_sq_norm, rtol=0.15)
    assert_allclose(tracker.mean.trace_covariance, true.trace_covariance, rtol=0.05)
    assert len(tracker.averages) == 600 and tracker.averages[-1] == tracker.mean


def test_a_tracker_starts_anew_with_every_training() -> None:
    tracker = ms.NoiseTracker(every=20)
    assert isnan(tracker.mean.b_simple)
    train("linear", tracker)
    first = tracker.once
    train("linear", tracker)
    assert tracker.once == first and len(first) == 3


def test_batches_of_one_are_passed_over() -> None:
    tracker = ms.NoiseTracker(every=1)
    train("linear", tracker, batch_size=1, steps=5)
    assert tracker.steps == []


@pytest.mark.parametrize("options", [{"every": 0}, {"examples": 1}, {"decay": 1.0}, {"every": 2.5}])
def test_nonsense_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ms.ArgumentError, match=f"^{next(iter(options))} must be"):
        ms.NoiseTracker(**options)  # type: ignore[arg-type]
