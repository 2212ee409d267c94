"""Restricted Boltzmann machines against sums over all their states."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms

RNG = np.random.default_rng(0)


def machine(V: int = 4, H: int = 3, gaussian: bool = False) -> ms.BoltzmannMachine:
    return ms.BoltzmannMachine(RNG.normal(size=(V, H)), RNG.normal(size=V), RNG.normal(size=H), gaussian)


def states(n: int) -> Any:
    return np.array(list(product([0.0, 1.0], repeat=n)))


def joint(m: ms.BoltzmannMachine) -> Any:
    """Return p(v, h) of all states, from the definition.  (2ⱽ, 2ᴴ)"""
    v, h = states(len(m.a)), states(len(m.b))
    weight = np.exp(v @ m.W @ h.T + (v @ m.a)[:, None] + h @ m.b)
    return weight / weight.sum()


def bars(n: int, rng: np.random.Generator) -> Any:
    """Return images of 2 × 3 pixels, whose rows are all on or all off."""
    return np.repeat(rng.integers(0, 2, (n, 2)), 3, axis=1).astype(np.float32)


def test_likelihoods_are_those_of_the_definition() -> None:
    m = machine()
    v, p = states(4), joint(m).sum(1)
    assert_allclose(-m.free_energy(v) - m.log_partition(), np.log(p), rtol=1e-10)
    assert_allclose(m.log_likelihood(v[3:5]), np.log(p[3:5]).mean())
    assert_allclose(m.hidden(v), joint(m) @ states(3) / p[:, None], rtol=1e-10)
    flips = [p / (p + p[[j ^ (8 >> i) for j in range(16)]]) for i in range(4)]  # p(v_i | the others)
    assert_allclose(m.pseudo_log_likelihood(v), np.log(flips).sum(0).mean())


def test_gaussian_likelihood_integrates_to_one() -> None:
    m = machine(V=1, gaussian=True)
    v = np.linspace(-15, 15, 20001)[:, None]
    assert_allclose(np.exp(-m.free_energy(v) - m.log_partition()).sum() * (v[1] - v[0]), 1, rtol=1e-6)


def test_samples_have_the_frequencies_of_the_states() -> None:
    m = machine(V=2, H=2)
    means = m.sample(20_000, steps=20, seed=1)
    assert_allclose(means.mean(0), joint(m).sum(1) @ states(2), atol=0.01)


@pytest.mark.parametrize("options", [{}, {"k": 5}, {"chains": 32}], ids=str)
def test_contrastive_divergence_raises_the_exact_likelihood(options: Any) -> None:
    x = bars(200, np.random.default_rng(0))
    data = ms.Dataset.from_arrays(x, np.zeros((200, 1)), validation=None)
    net = ms.Network(ms.RBM(4, init=ms.init.Normal(0.1), **options)).build((6,))
    run = ms.train(net, data, loss=ms.Energy(), optimizer=ms.SGD(0.2), batch_size=20, epochs=100, seed=0)
    before, after = (ms.BoltzmannMachine.of(n).log_likelihood(x) for n in (net, run.network))
    assert before < -4 and after > -2.3  # at most ln ¼ = -1.39
    assert_allclose(ms.BoltzmannMachine.of(run.network).reconstruct(x), x, atol=0.5)


def test_gaussian_units_learn_the_mean() -> None:
    x = np.random.default_rng(0).normal(3, 1, (300, 2))
    data = ms.Dataset.from_arrays(x, np.zeros((300, 1)), validation=None)
    net = ms.Network(ms.RBM(1, visible="gaussian"))
    run = ms.train(net, data, loss=ms.Energy(), optimizer=ms.SGD(0.05), batch_size=30, epochs=30, seed=0)
    m = ms.BoltzmannMachine.of(run.network)
    assert_allclose(m.a + m.hidden(x).mean(0) @ m.W.T, x.mean(0), atol=0.2)


def test_batch_size_and_seed_as_everywhere() -> None:
    x = bars(64, np.random.default_rng(1))
    data = ms.Dataset.from_arrays(x, np.zeros((64, 1)), validation=None)
    one, again, other = (
        ms.train(ms.Network(ms.RBM(3)), data, loss="energy", batch_size=16, epochs=2, seed=seed).network.to_numpy()
        for seed in (1, 1, 2)
    )
    assert_array_equal(one["0.W"], again["0.W"])
    assert not np.array_equal(one["0.W"], other["0.W"])


def test_stacking_goes_into_dense_layers() -> None:
    mlp = ms.Network(ms.Linear(3, name="hidden"), ms.Sigmoid(), ms.Linear(2)).build((4,), dtype="float64")
    m = machine()
    stacked, x = m.stacked(mlp, "hidden"), RNG.random((5, 4))
    encoder = ms.Network(ms.Linear(3, name="hidden"), ms.Sigmoid()).build((4,), dtype="float64")
    assert_allclose(m.stacked(encoder, "hidden").predict(x), m.hidden(x), rtol=1e-12)
    assert_array_equal(stacked.to_numpy()["2.W"], mlp.to_numpy()["2.W"])
    with pytest.raises(ms.ArgumentError, match=r"path must be a parameter output\.W of shape \(4, 3\), got none"):
        m.stacked(mlp, "output")


def test_wrong_machines_are_refused() -> None:
    with pytest.raises(ms.ShapeError, match=r"vectors \(B, V\)"):
        ms.Network(ms.RBM(3)).build((4, 4, 1))
    with pytest.raises(ms.ArgumentError, match=r"k must be 0, 1, 2"):
        ms.RBM(3, k=-1)
    with pytest.raises(ms.ArgumentError, match=r"at most 20 hidden units"):
        machine(H=21).log_partition()
    with pytest.raises(ms.ArgumentError, match=r"binary visible units"):
        machine(gaussian=True).pseudo_log_likelihood(states(4))
    with pytest.raises(ms.ArgumentError, match=r"ends in ms\.RBM"):
        ms.BoltzmannMachine.of(ms.Network(ms.Linear(2)).build((3,)))
    with pytest.raises(ms.ShapeError, match=r"v must be \(N, 4\)"):
        machine().hidden(np.zeros((2, 3)))
