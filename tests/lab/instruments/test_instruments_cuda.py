"""Trace, speed and latency on the GPU path, without a GPU: what is traced is what the CPU traces."""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms


def network() -> ms.Network:
    return ms.Network(
        ms.Conv2d(4, 3), ms.BatchNorm(), ms.ReLU(), ms.MaxPool2d(2), ms.Flatten(), ms.Dropout(0.3), ms.Linear(3)
    )


def images() -> ms.Dataset:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 37)
    x = rng.normal(size=(37, 8, 8, 1)) + 0.5 * y[:, None, None, None]
    return ms.Dataset.from_arrays(x.astype("float32"), y, validation=0.1, seed=0)


def traced(device: str) -> tuple[ms.TraceResult, ms.Run]:
    trace = ms.Trace(every=2)
    run = ms.train(network(), images(), callbacks=[trace], batch_size=8, steps=10, device=device)
    return trace.result, run


def test_a_trace_is_that_of_the_cpu_and_leaves_training_unchanged(fake_cupy: ModuleType) -> None:
    expected, _ = traced("cpu")
    found, run = traced("cuda")
    assert found.layers == expected.layers
    for name in ("activation", "dead", "weights", "gradients", "updates"):
        assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-5, err_msg=name)
    alone = ms.train(network(), images(), batch_size=8, steps=10, device="cuda")
    vectors = [each.network.ops.to_host(each.network.vector) for each in (run, alone)]
    assert_array_equal(*vectors)


def test_steps_and_predictions_are_timed(fake_cupy: ModuleType) -> None:
    for found in (
        ms.speed(network(), images(), [2, 8, 16], device="cuda", visits=3),
        ms.latency(network(), images(), [1, 8, 16], device="cuda", visits=3),
    ):
        assert all(point.step_seconds > 0 for point in found.points)
