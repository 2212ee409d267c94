"""The gradient of everything against central differences in float64, over random shapes.

Every layer × activation × loss, with and without replicas, weights of examples, and batches shorter than the
memory was planned for. Every coordinate of x and of the parameter vector is checked.
"""

from __future__ import annotations

from math import prod
from zlib import crc32

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.backend import Program
from minisgd.nn import ELU, L1, SELU, Embedding, Flatten, Hardswish, Huber, LeakyReLU, MaxPool2d, PReLU, ReLU
from minisgd.typing import Array
from tests.nn.layer_bench import Apart, Bench
from tests.nn.layer_tables import ACTIVATIONS, CASES, LAYERS, LOSSES, MAPS, shape_of

STEP = 1e-5
ROOM = 0.003
"""How far a kink must be from where a derivative is taken: the step times the largest gain on the way."""

KINKS: dict[type, tuple[int, ...]] = dict.fromkeys((ReLU, LeakyReLU, PReLU, ELU, SELU), (0,)) | {Hardswish: (-3, 3)}

FOLLOWERS = [(*case, a) for case in CASES for a in ACTIVATIONS if case[0] not in MAPS or a == "Tanh"]
"""Every layer with every activation behind it, and further activations with one."""


def central_differences(bench: Bench, forward: Program, values: Array) -> Array:
    """Return ∂L/∂values by the five-point formula, error O(h⁴).  values (…, n)   result (…, n)"""
    found = np.zeros(values.shape)
    for i in range(values.shape[-1]):
        original = values[..., i].copy()
        for steps, factor in ((1, 8), (-1, -8), (2, -1), (-2, 1)):
            values[..., i] = original + steps * STEP
            forward.replay()
            found[..., i] += factor / (12 * STEP) * bench.loss.value
        values[..., i] = original
    return found


def room_to_kinks(bench: Bench) -> float:
    """Return the distance of the nearest kink: of activations, tokens, ties in pooling windows, corners of L1, Huber.

    The bench keeps every array apart, so that inputs are still there after the forward pass.
    """
    bench.forward()
    rooms = [np.inf]
    for leaf in bench.network.describe(bench.shape):
        layer = leaf.layer
        for kink in KINKS.get(type(layer), ()):
            rooms += np.abs(layer.x[layer.x != 0] - kink).tolist()
        if isinstance(layer, Embedding):
            rooms += np.abs(layer.x - np.round(layer.x)).ravel().tolist()
        if isinstance(layer, MaxPool2d) and prod(layer.kernel) > 1:
            corners = np.sort(np.stack(layer.corners(layer.x)), axis=0)
            gaps = corners[-1] - corners[-2]
            rooms += gaps[gaps != 0].tolist()
    residual = np.abs(bench.z - bench.target) if isinstance(bench.loss, L1 | Huber) else np.zeros(0)
    corner = bench.loss.delta if isinstance(bench.loss, Huber) else 0.0
    return min([*rooms, *np.abs(residual - corner).ravel().tolist()])


def check_gradient(bench: Bench, apart: Bench, rng: np.random.Generator, draw: object = None) -> None:
    """Compare dx and the whole gradient vector of a bench with central differences."""
    for _ in range(200):
        apart.fill(rng, draw)
        if room_to_kinks(apart) > ROOM:
            break
    else:
        pytest.fail("found no input away from the kinks")
    bench.take_from(apart)
    found = bench.results()
    batch, forward = bench.x.reshape(*bench.lead, -1), bench.record("forward")
    expected = [central_differences(bench, forward, values) for values in (batch, bench.network.vector)]
    actual = found["dx"].reshape(batch.shape), found["gradient"]
    for a, e in zip(actual, expected, strict=True):
        assert_allclose(a, e, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(("name", "kind", "activation"), FOLLOWERS)
def test_layer_activation_loss(name: str, kind: str, activation: str) -> None:
    """With every loss, on a random shape of its own."""
    row, rng = LAYERS[name], np.random.default_rng(crc32(f"{name} {kind} {activation}".encode()))
    for loss in LOSSES.values():
        shape = shape_of(kind, rng)
        b, missing = int(rng.integers(row.least, 4)), int(rng.integers(0, 3))
        layers = [row.make(shape), ACTIVATIONS[activation].make(shape), Flatten()]
        options = {
            "loss": loss.make(),
            "kind": loss.kind,
            "largest": b + missing,
            "seeds": 0 if rng.random() < 0.5 else [3, 4, 5],
            "weighted": rng.random() < 0.5,
        }
        bench, apart = Bench(layers, shape, b, **options), Bench(layers, shape, b, binder=Apart, **options)
        check_gradient(bench, apart, rng, loss.draw)


def test_there_are_more_than_a_thousand_random_shapes() -> None:
    assert len(FOLLOWERS) * len(LOSSES) >= 1000
