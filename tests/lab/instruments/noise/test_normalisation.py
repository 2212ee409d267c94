"""The noise of normalisation layers: what exact per-example gradients say of them, and how it goes with the whole."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from tests.lab.instruments.noise.test_tracker import Witness


def net(norm: type[ms.Layer] = ms.LayerNorm) -> ms.Network:
    return ms.Network(
        ms.Linear(16, name="a"), norm(name="n"), ms.ReLU(), ms.Linear(12), norm(name="m"), ms.ReLU(), ms.Linear(10)
    )


def train(network: ms.Network, *callbacks: ms.Callback, **options: object) -> ms.Run:
    data = ms.datasets.digits(validation=None)
    settings = {"steps": 60, "batch_size": 32, "optimizer": ms.SGD(lr=0.1)} | options
    return ms.train(network, data, callbacks=callbacks, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", [ms.LayerNorm, ms.RMSNorm, ms.BatchNorm])
def test_it_is_that_of_exact_gradients_of_these_layers(norm: type[ms.Layer]) -> None:
    witness, tracker, whole = Witness(), ms.NormalisationNoise(every=20, examples=6), ms.NoiseTracker(20, examples=6)
    run = train(net(norm), witness, tracker, whole, dtype="float64")
    assert tracker.layers == ("n", "m") and tracker.steps == [0, 20, 40] and len(whole.layers) == 5
    for k, step in enumerate(tracker.steps):
        index, gradient = witness.seen[step]
        network, part = witness.networks[step], run.data.train.take(index[:6])
        g, b = ms.per_example_gradients(network, part.x, part.y), 32
        if norm is ms.BatchNorm:
            gradient, b = g.mean(0), 6
        own = np.concatenate([np.arange(s.offset, s.stop) for s in network.layout if s.name[:2] in ("n.", "m.")])
        small, large = (g[:, own] ** 2).sum(1).mean(), gradient[own] @ gradient[own]
        assert_allclose(tracker.once[k].grad_sq_norm, (b * large - small) / (b - 1), rtol=1e-8, atol=1e-12)
        assert_allclose(tracker.once[k].trace_covariance, (small - large) / (1 - 1 / b), rtol=1e-8)


def test_every_layer_has_its_own() -> None:
    """Without memory the averages are the last sample, and |G|² and tr Σ of the layers add up to those of all."""
    tracker = ms.NormalisationNoise(every=20, decay=0.0)
    train(net(), tracker, dtype="float64")
    found = tracker.by_layer
    assert list(found) == ["n", "m"] and all(each.trace_covariance > 0 for each in found.values())
    for name in ("grad_sq_norm", "trace_covariance"):
        assert_allclose(sum(getattr(each, name) for each in found.values()), getattr(tracker.mean, name), rtol=1e-10)


def test_the_training_is_the_same_to_the_last_bit() -> None:
    tracked, plain = train(net(), ms.NormalisationNoise(every=7)), train(net())
    assert_array_equal(tracked.network.vector, plain.network.vector)


def test_layers_within_blocks_are_found() -> None:
    tracker = ms.NormalisationNoise(every=5)
    data = ms.datasets.digits(validation=None, images=True)
    network = ms.Network(ms.Reshape(8, 8), ms.Linear(8), ms.TransformerBlock(8, 2), ms.Flatten(), ms.Linear(10))
    ms.train(network, data, callbacks=[tracker], steps=11, batch_size=16)
    assert len(tracker.layers) == 2 and all(each.trace_covariance > 0 for each in tracker.by_layer.values())


def test_a_network_without_such_layers_is_refused() -> None:
    with pytest.raises(ms.ArgumentError, match="normalisation layer"):
        train(ms.Network(ms.Linear(10)), ms.NormalisationNoise())


def test_it_goes_with_the_noise_of_the_whole_network() -> None:
    """Gray et al. 2024: over a training run, as its gradients fade and its noise scale rises (0.9 here)."""
    part, whole = (kind(every=5, examples=16) for kind in (ms.NormalisationNoise, ms.NoiseTracker))
    train(net(), part, whole, steps=400, batch_size=64)
    logs = np.log([[each.b_simple for each in tracker.averages[4:]] for tracker in (part, whole)])
    assert np.corrcoef(logs)[0, 1] > 0.7
