"""Batch normalisation: ghost batches, running statistics, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.errors import ShapeError
from minisgd.nn import BatchNorm, Linear, Network, ReLU
from tests.nn.layer_bench import Bench

SHAPES: list[Any] = [(4,), (3, 2, 4)]


def normed(x: Any, eps: float = 1e-5) -> Any:
    """Return x̂ over everything but the channels."""
    axes = tuple(range(x.ndim - 1))
    return (x - x.mean(axes)) / np.sqrt(x.var(axes) + eps)


def plain(bench: Bench) -> Any:
    """Return y with γ and β taken out again."""
    values = bench.network.parameters()
    return (bench.z - values["0.beta"]) / values["0.gamma"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ghost", [8, 9, 1000])
def test_one_ghost_batch_is_batch_normalisation_bit_for_bit(shape: Any, ghost: int) -> None:
    whole, ghosts = Bench([BatchNorm()], shape, 8), Bench([BatchNorm(ghost=ghost)], shape, 8)
    whole.fill(np.random.default_rng(0))
    ghosts.take_from(whole)
    for name, array in whole.results().items():
        ghosts_found = ghosts.results()[name] if name != "statistics" else None
        if ghosts_found is not None:
            assert_array_equal(array, ghosts_found, err_msg=name)


@pytest.mark.parametrize("ghost", [8, 1000])
def test_one_ghost_batch_keeps_the_same_statistics_bit_for_bit(ghost: int) -> None:
    whole, ghosts = Bench([BatchNorm()], (4,), 8), Bench([BatchNorm(ghost=ghost)], (4,), 8)
    whole.fill(np.random.default_rng(0))
    ghosts.take_from(whole)
    for _ in range(3):
        assert_array_equal(whole.results()["statistics"], ghosts.results()["statistics"])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("b", "ghost", "sizes"),
    [(8, 4, [4, 4]), (8, 2, [2, 2, 2, 2]), (8, 3, [3, 3, 2]), (7, 4, [4, 3]), (2, 4, [2]), (5, 4, None), (3, 2, None)],
)
def test_each_ghost_batch_is_normalised_apart(shape: Any, b: int, ghost: int, sizes: Any) -> None:
    if sizes is None:  # one example is left over: it joins where it would be one value per channel
        full = b // ghost
        sizes = [ghost] * (full - 1) + [ghost + 1] if len(shape) == 1 else [ghost] * full + [1]
    bench = Bench([BatchNorm(ghost=ghost)], shape, b)
    bench.fill(np.random.default_rng(0))
    bench.forward()
    parts = np.split(np.array(bench.x), np.cumsum(sizes)[:-1])
    assert_allclose(plain(bench), np.concatenate([normed(part) for part in parts]), rtol=1e-9, atol=1e-11)


def test_running_mean_takes_in_the_ghost_batches_one_after_the_other() -> None:
    """μ ← (1−η)^m μ + Σ_i (1−η)^(m−i) η μ_i  (Hoffer et al. 2017)"""
    eta, m = 0.3, 4
    bench = Bench([BatchNorm(ghost=2, momentum=eta)], (3,), 2 * m)
    bench.fill(np.random.default_rng(0))
    statistics = bench.network.running_statistics()
    statistics["0.running_weight"][...] = 1
    mean, var = statistics["0.running_mean"].copy(), statistics["0.running_var"].copy()
    bench.forward()
    parts = np.split(np.array(bench.x), m)
    decay = [(1 - eta) ** (m - i) * eta for i in range(1, m + 1)]
    expected_mean = (1 - eta) ** m * mean + sum(d * part.mean(0) for d, part in zip(decay, parts, strict=True))
    expected_var = (1 - eta) ** m * var + sum(d * part.var(0, ddof=1) for d, part in zip(decay, parts, strict=True))
    assert_allclose(statistics["0.running_mean"], expected_mean, rtol=1e-12)
    assert_allclose(statistics["0.running_var"], expected_var, rtol=1e-12)


@pytest.mark.parametrize("b", [8, 32, 100])
def test_running_averages_do_not_lag(b: int) -> None:
    """r_t = Σ η (1−η)^(t−i) s_i / (1 − (1−η)^t) with η = 1 − 0.9^(B/32), and 0.1 at least"""
    bench, eta = Bench([BatchNorm()], (3,), b), 1 - 0.9 ** max(1, b / 32)
    running = bench.network.running_statistics()
    means, variances = [], []
    for t in range(1, 5):
        bench.x[...] = np.random.default_rng(t).normal(5, 1e-3, bench.x.shape)
        means.append(bench.x.mean(0))
        variances.append(bench.x.var(0, ddof=1))
        bench.forward()
        weights = eta * (1 - eta) ** np.arange(t)[::-1] / (1 - (1 - eta) ** t)
        assert_allclose(running["0.running_mean"], weights @ means, rtol=1e-12)
        assert_allclose(running["0.running_var"], weights @ variances, rtol=1e-8)


def few_updates(momentum: float | None, batch_size: int | str, steps: int, lr: float) -> tuple[float, float]:
    """Return validation losses of the digits by running averages, and by the statistics of all training examples."""

    def network(momentum: float | None) -> Network:
        hidden = [(Linear(n), BatchNorm(momentum=momentum), ReLU()) for n in (64, 32)]
        return Network(*(layer for layers in hidden for layer in layers), Linear(10))

    data = ms.datasets.digits(validation=0.2, seed=0)
    run = ms.train(network(momentum), data, optimizer=ms.SGD(lr=lr, momentum=0.9), batch_size=batch_size, steps=steps)
    exact = network(1.0).build((64,))
    exact.vector[...] = run.network.vector
    found = ms.train(exact, data, optimizer=ms.SGD(lr=1e-9), batch_size="full", steps=1)
    return run.evaluate()["loss"], found.evaluate()["loss"]


@pytest.mark.parametrize("setting", [("full", 5, 0.1), ("full", 10, 1.0), (256, 10, 0.5), (32, 10, 0.1)])
def test_evaluation_does_not_punish_few_updates(setting: Any) -> None:
    ours, exact = few_updates(None, *setting)
    theirs, exact_too = few_updates(0.1, *setting)
    assert_allclose(exact, exact_too, rtol=1e-3)
    assert abs(ours - exact) < 0.4 * abs(theirs - exact)
    assert ours < 1.25 * exact


def test_evaluation_ignores_the_ghost_size() -> None:
    whole, ghosts = Bench([BatchNorm()], (4,), 8), Bench([BatchNorm(ghost=2)], (4,), 8)
    whole.fill(np.random.default_rng(0))
    ghosts.take_from(whole)
    x = np.random.default_rng(1).normal(size=(11, 4))
    assert_array_equal(whole.network.predict(x), ghosts.network.predict(x))


def test_the_variance_of_a_batch_is_biased_by_n_minus_one_over_n() -> None:
    """E[σ²_batch] = (n − 1)/n σ², and the running variance has the bias taken out."""
    n, trials = 4, 100_000
    rng, bench = np.random.default_rng(0), Bench([BatchNorm(momentum=1.0)], (trials,), n)
    bench.x[...] = rng.normal(0, 3, bench.x.shape)
    bench.forward()
    layer: Any = bench.network.layers[0]
    assert_allclose(layer.var.mean(), (n - 1) / n * 9, rtol=0.02)
    assert_allclose(layer.running_var.mean(), 9, rtol=0.02)


def test_a_file_of_the_rule_with_a_constant_momentum_goes_on_by_it(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    network = Network(Linear(3), BatchNorm()).build((2,))
    tensors = load_file(network.save(tmp_path / "w.safetensors"))
    del tensors["1.running_weight"]
    save_file(tensors, tmp_path / "old.safetensors", {"input_shape": "[2]"})
    assert_array_equal(network.load(tmp_path / "old.safetensors").running_statistics()["1.running_weight"], 1)


def test_momentum_0_keeps_and_1_replaces_the_statistics() -> None:
    for momentum in (0, 1):
        bench = Bench([BatchNorm(momentum=momentum)], (3,), 5)
        bench.fill(np.random.default_rng(0))
        mean = bench.network.running_statistics()["0.running_mean"]
        before = mean.copy()
        bench.forward()
        assert_allclose(mean, bench.x.mean(0) if momentum else before, rtol=1e-12)


@pytest.mark.parametrize(
    ("shape", "b", "ghost"),
    [((4,), 1, None), ((4,), 3, 1), ((4,), 1, 1), ((4,), 1, 5), ((1, 1, 4), 1, None), ((1, 1, 4), 3, 1)],
)
def test_one_value_per_channel_is_refused_with_advice(shape: Any, b: int, ghost: int | None) -> None:
    bench = Bench([BatchNorm(ghost=ghost, name="norm")], shape, b)
    with pytest.raises(ShapeError, match=r"BatchNorm 'norm'.*two values per channel.*ms\.LayerNorm") as caught:
        bench.forward()
    assert f"a batch of {b}" in str(caught.value)


def test_one_image_is_enough_for_batch_normalisation() -> None:
    bench = Bench([BatchNorm(ghost=1)], (2, 2, 3), 3)
    bench.fill(np.random.default_rng(0))
    bench.forward()
    assert_allclose(plain(bench), np.stack([normed(image) for image in np.array(bench.x)]), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("x", [(2, 3, 4), (2,), (2, 3, 4, 5, 6)])
def test_other_ranks_are_refused(x: Any) -> None:
    with pytest.raises(ShapeError, match=r"BatchNorm: x must be \(B, features\) or \(B, H, W, C\)"):
        BatchNorm().declare(x)
