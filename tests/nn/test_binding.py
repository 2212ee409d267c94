"""Random networks: sharing storage between arrays never changes a number, in training or in evaluation."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minisgd.backend import NumpyOps, Plan
from minisgd.nn import (
    GELU,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    LayerNorm,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Tanh,
)
from minisgd.nn.cpu import block_size
from minisgd.nn.cpu.block_size import BlockSize, images_per_block
from minisgd.typing import Shape
from tests.nn.layer_bench import Apart, Bench
from tests.nn.layer_tables import ACTIVATIONS
from tests.nn.plain_layers import plain_prediction
from tests.nn.test_gradients import check_gradient

COMPOSITIONS = 400
RANDOMLY = settings(
    max_examples=COMPOSITIONS,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def random_layer(draw: Any, shape: Shape, depth: int, keep_shape: bool) -> Layer:
    """Draw a layer for examples of a shape, (F) or (H, W, C), which it keeps if asked to."""
    images = len(shape) == 3
    kinds = ["activation", "activation", "norm", "ghost", "bare norm", "layer norm", "dropout", "dense"]
    kinds += ["residual", "sequential"] if depth else []
    kinds += ["pool", "flatten"] if images and not keep_shape else []
    kinds += ["flatten"] if not images else []
    match draw(st.sampled_from(kinds)):
        case "activation":
            return ACTIVATIONS[draw(st.sampled_from(list(ACTIVATIONS)))].make(shape)
        case "norm":
            return BatchNorm(eps=1e-2)
        case "ghost":
            return BatchNorm(eps=1e-2, ghost=2)
        case "bare norm":
            return BatchNorm(eps=1e-2, affine=False)
        case "layer norm":
            return LayerNorm(eps=1e-2)
        case "dropout":
            return Dropout(0.3)
        case "dense":
            width = shape[-1] if keep_shape else draw(st.integers(1, 4))
            return Conv2d(width, 3, padding="same") if images else Linear(width)
        case "residual":
            return Residual(*random_chain(draw, shape, depth - 1, keep_shape=True))
        case "sequential":
            return Sequential(*random_chain(draw, shape, depth - 1, keep_shape))
        case "pool":
            fits = [GlobalAvgPool2d()]
            fits += [MaxPool2d(2), AvgPool2d(2, stride=1)] if min(shape[:2]) >= 2 else []
            return draw(st.sampled_from(fits))
        case _:
            return Flatten()


def random_chain(draw: Any, shape: Shape, depth: int, keep_shape: bool) -> list[Layer]:
    layers = []
    for _ in range(draw(st.integers(1, 5))):
        layers.append(random_layer(draw, shape, depth, keep_shape))
        shape = layers[-1].declare((2, *shape)).y[1:]
    return layers


@st.composite
def networks(draw: Any) -> tuple[list[Layer], Shape]:
    """Draw a chain of layers, nested up to three deep, and the shape of its examples."""
    shape = draw(st.sampled_from([(3,), (1,), (3, 4, 2)]))
    return random_chain(draw, shape, depth=3, keep_shape=False), shape


@RANDOMLY
@given(networks(), st.sampled_from([0, [1, 2]]), st.integers(2, 5), st.integers(0, 2), st.integers(0, 2**32 - 1))
def test_random_networks_train_alike_in_shared_and_in_separate_storage(
    network: Any, seeds: Any, b: int, missing: int, seed: int
) -> None:
    shared, apart = (Bench(*network, b, seeds=seeds, largest=b + missing, binder=kind) for kind in (None, Apart))
    apart.fill(np.random.default_rng(seed))
    shared.take_from(apart)
    found, expected = shared.results(), apart.results()
    for name in expected:
        assert_array_equal(found[name], expected[name], err_msg=name)


@RANDOMLY
@given(networks(), st.sampled_from([0, [1, 2]]), st.integers(0, 2**32 - 1))
def test_random_networks_predict_what_plain_layers_compute(network: Any, seeds: Any, seed: int) -> None:
    bench = Bench(*network, 2, seeds=seeds)
    rng = np.random.default_rng(seed)
    bench.fill(rng)
    net, x = bench.network, rng.normal(0, 2, (5, *bench.shape))
    singles = [net.replica(r) for r in range(len(seeds))] if seeds else [net]
    expected = [plain_prediction(single, x) for single in singles]
    found = net.predict(x, batch_size=3)
    assert_allclose(found, np.stack(expected) if seeds else expected[0], rtol=1e-9, atol=1e-9)


@settings(RANDOMLY, max_examples=100)
@given(networks(), st.sampled_from([0, [1, 2]]), st.integers(0, 2**32 - 1))
def test_gradients_of_random_networks(network: Any, seeds: Any, seed: int) -> None:
    shared, apart = (Bench(*network, 3, seeds=seeds, binder=kind) for kind in (None, Apart))
    check_gradient(shared, apart, np.random.default_rng(seed))


@RANDOMLY
@given(networks(), st.integers(0, 2**32 - 1))
def test_the_gradient_of_the_weights_needs_no_gradient_of_the_input(network: Any, seed: int) -> None:
    full, lean = (Bench(*network, 3, needs_dx=needs) for needs in (True, False))
    full.fill(np.random.default_rng(seed))
    lean.take_from(full)
    # not bit for bit: a convolution that needs both takes both from the same patches
    assert_allclose(lean.results()["gradient"], full.results()["gradient"], rtol=1e-10, atol=1e-12)
    assert Plan(lean.binder_used.requests()).bytes() <= Plan(full.binder_used.requests()).bytes()


CHAINS: dict[str, tuple[list[Layer], Shape]] = {
    "activation over dense": ([Linear(4), ReLU(), Dropout(0.5)], (3,)),
    "norm over dense": ([Linear(4), BatchNorm(), ReLU()], (3,)),
    "sigmoid over relu": ([Linear(4), ReLU(), Sigmoid()], (3,)),
    "residuals in a row": ([Residual(Linear(3), ReLU()), Residual(Linear(3)), Residual(Tanh(), Linear(3))], (3,)),
    "residual of residual": ([Linear(3), Residual(Residual(Linear(3), ReLU()), ReLU()), ReLU()], (3,)),
    "nothing but a residual of dropout": ([Residual(Dropout(0.5))], (3,)),
    "activation first": ([ReLU(), Linear(2)], (3,)),
    "flatten first": ([Flatten(), Sigmoid(), Linear(2)], (3, 4, 2)),
    "norm first": ([BatchNorm(), Linear(2)], (3,)),
    "norm of images first": ([BatchNorm(affine=False), ReLU(), Flatten()], (3, 4, 2)),
    "bare norms in a row": ([BatchNorm(affine=False), BatchNorm(affine=False), Tanh()], (3,)),
    "layer norm over relu": ([Linear(4), ReLU(), LayerNorm(), ReLU()], (3,)),
    "convolutions": ([Conv2d(3, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(2, 1), Flatten(), Linear(2)], (4, 4, 1)),
}


@pytest.mark.parametrize("seeds", [0, [1, 2, 3]])
@pytest.mark.parametrize("name", CHAINS)
def test_known_chains(name: str, seeds: Any) -> None:
    layers, shape = CHAINS[name]
    shared, apart = (Bench(layers, shape, 4, seeds=seeds, binder=kind) for kind in (None, Apart))
    check_gradient(shared, apart, np.random.default_rng(1))
    x = np.random.default_rng(2).normal(0, 2, (7, *shape))
    singles = [shared.network.replica(r) for r in range(3)] if seeds else [shared.network]
    expected = [plain_prediction(single, x) for single in singles]
    found = shared.network.predict(x, batch_size=3)
    assert_allclose(found, np.stack(expected) if seeds else expected[0], rtol=1e-12, atol=1e-12)


def test_layers_work_in_place_where_nobody_minds() -> None:
    bench = Bench([Linear(4), BatchNorm(), ReLU(), Dropout(0.5), Linear(2)], (3,), 5)
    dense, norm, relu, dropout, _ = bench.network.layers
    assert np.shares_memory(dense.y, norm.moved)  # type: ignore[attr-defined]
    assert np.shares_memory(norm.y, relu.y)
    assert not np.shares_memory(relu.y, dropout.y)  # ReLU differentiates by its y
    assert np.shares_memory(relu.dx, norm.dx)  # type: ignore[arg-type]


def test_evaluation_takes_two_slots_however_deep_the_network() -> None:
    deep = Bench([layer for _ in range(20) for layer in (Linear(4), ReLU())], (4,), 5).network
    binder = deep.binder(training=False)
    from minisgd.nn.inference import inference_requests

    plan = Plan(inference_requests(deep, (5, 4)))
    assert plan.bytes_by_owner()["activations"] == 2 * 5 * 4 * 8
    assert binder.requests() == []


def test_max_pooling_goes_before_the_activation_in_front_of_it() -> None:
    """Same numbers, and same gradients, on K² times fewer of them."""
    pool, norm = MaxPool2d(2), BatchNorm()
    shape = (6, 4, 3)
    written = Bench([norm, ReLU(), pool, Flatten()], shape, 5)
    swapped = Bench([norm, pool, ReLU(), Flatten()], shape, 5)
    written.fill(np.random.default_rng(0))
    swapped.take_from(written)
    for name, array in written.results().items():
        assert_array_equal(array, swapped.results()[name] if name != "statistics" else array, err_msg=name)
    _, relu, pooling, _ = written.network.layers
    assert relu.y.shape == pooling.y.shape == (5, 3, 2, 3)


def test_layers_of_images_take_turns_on_blocks() -> None:
    """Every loop of the chain runs on the same images, so that each needs only the block that is in the cache."""
    layers = [Conv2d(8, 3, padding=1), BatchNorm(), ReLU(), MaxPool2d(2), Conv2d(8, 3, padding=1), ReLU(), Flatten()]
    bench = Bench(layers, (32, 32, 2), 20)
    program = bench.record("forward")
    order = [(program.calls[k].layer, program.calls[k].block) for k in program.order]
    assert {images_per_block(layer, (20, 32, 32, 2)) for layer in bench.network.layers} == {8}
    # the second block of the normalised images goes all the way before the third begins
    second = [k for k, (_, block) in enumerate(order) if block is not None and block[1] == 1]
    runs = np.split(second, np.flatnonzero(np.diff(second) != 1) + 1)
    assert [len({order[k][0] for k in run}) for run in runs] == [
        2,
        4,
    ]  # Conv2d, BatchNorm | and then ReLU, MaxPool2d too


@pytest.mark.parametrize("seeds", [0, (0, 1)])
def test_blocks_that_are_not_recorded_compute_what_they_would(seeds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many blocks: replayed, most of them follow from others; executed at once, each one is run."""
    monkeypatch.setattr(block_size, "CACHED", BlockSize(3 * 32 * 32 * 8, 1_000_000))
    layers = [Conv2d(8, 3, padding=1), BatchNorm(), ReLU(), MaxPool2d(2), Conv2d(4, 3, stride=2), GELU(), AvgPool2d(2)]
    bench = Bench([*layers, Flatten(), Linear(3)], (32, 32, 2), 20, seeds=seeds)
    bench.fill(np.random.default_rng(0))
    statistics = bench.network.statistics.copy()
    expected = bench.results()
    bench.network.statistics[...] = statistics
    bench.gradient[...] = np.nan
    with bench.ops.record() as program:
        dx = bench.step()
    assert sum(not program.calls.was_recorded(k) for k in range(len(program))) > len(program) / 3
    program.replay()
    for name, array in bench.snapshot(dx).items():
        assert_array_equal(array, expected[name], err_msg=name)


@pytest.mark.parametrize("channels", [1, 6])
def test_a_shorter_batch_needs_no_larger_work_arrays(channels: int) -> None:
    layer, ops = Conv2d(4, 3, padding=1), NumpyOps()
    sizes: dict[str, list[int]] = {}
    for b in range(1, 40):
        for name, buffer in ops.method(layer, "declare")((b, 26, 26, channels)).buffers.items():
            sizes.setdefault(name, []).append(prod(buffer.shape))
    for name, of_batch in sizes.items():
        assert of_batch == sorted(of_batch), name
