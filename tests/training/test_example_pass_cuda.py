"""Adaptive batches and the noise tracker on a device with memory of its own, beside the CPU."""

from __future__ import annotations

from typing import Any

import pytest
from numpy.testing import assert_allclose

import minisgd as ms


def measured(device: str, model: str) -> dict[str, Any]:
    data = ms.datasets.digits(validation=None, images=model == "cnn").subset(64)
    tracker, sizes = ms.NoiseTracker(every=2, examples=4), []

    class Sizes(ms.Callback):
        def on_step(self, training: Any) -> None:
            sizes.append(training.session.size)

    def train(*callbacks: ms.Callback) -> ms.Run:
        net, schedule = ms.model(model, data.input_shape, 10), ms.NormTest(8, 32, every=2)
        return ms.train(net, data, batch_size=schedule, steps=6, callbacks=callbacks, device=device)

    watched, alone = train(tracker, Sizes()), train()
    return {
        "sizes": sizes,
        "noise": [estimate.trace_covariance for estimate in tracker.once],
        "weights": watched.network.ops.to_host(watched.network.vector),
        "alone": alone.network.ops.to_host(alone.network.vector),
        "exact": ms.gradient_noise(watched.network, data, examples=32, probes=2).trace_covariance,
    }


@pytest.mark.parametrize("model", ["mlp:8", "mlp-bn:8", "cnn"])
def test_a_device_measures_what_the_cpu_does(fake_cupy: Any, model: str) -> None:
    cpu, cuda = measured("cpu", model), measured("cuda", model)
    assert cpu["sizes"] == cuda["sizes"] and max(cpu["sizes"]) > 8
    for name in ("noise", "weights", "exact"):
        assert_allclose(cuda[name], cpu[name], rtol=2e-3, atol=1e-4, err_msg=name)
    # the host looks at the gradient before every measurement, whether callbacks watch or not
    assert_allclose(cuda["alone"], cuda["weights"], rtol=1e-5, atol=1e-6)
