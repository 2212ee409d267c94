"""Every layer against PyTorch in float64: forward, backward, running statistics, evaluation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.nn import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    Sequential,
    init,
)
from minisgd.nn.cpu import block_size
from minisgd.nn.cpu.block_size import BlockSize
from tests.nn.layer_bench import Bench
from tests.nn.layer_tables import CASES, LAYERS, row_of

torch = pytest.importorskip("torch", reason="PyTorch is the second implementation: pip install 'minisgd[peers]'")

EXACT = {"rtol": 1e-10, "atol": 1e-12}
TENSORS = ("W", "P", "A", "B", "c", "b", "a", "gamma", "beta", "running_mean", "running_var", "running_weight", "chain")


def channels_first(x: Any) -> Any:
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


def channels_last(x: Any) -> Any:
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x


class Reference:
    """The same layers with the same weights in PyTorch. Images stay channels last between layers."""

    def __init__(self, bench: Bench) -> None:
        self.tensors: dict[tuple[Layer, str], Any] = {}
        net = bench.network
        named = net.parameters() | net.running_statistics()
        self.learned = {name: torch.tensor(np.array(named[name]), requires_grad=True) for name in net.parameters()}
        self.kept = {name: torch.tensor(np.array(named[name])) for name in net.running_statistics()}
        for leaf in net.describe(bench.shape):
            for name in TENSORS:
                path = f"{leaf.path}.{name}"
                self.tensors[leaf.layer, name] = (self.learned | self.kept).get(path)

    def run(self, layer: Layer, x: Any, training: bool) -> Any:
        if isinstance(layer, Sequential):
            y = x
            for inner in layer.layers:
                y = self.run(inner, y, training)
            return x + y if isinstance(layer, Residual) else y
        row = row_of(layer)
        assert row.torch is not None, f"write what {layer!r} is in PyTorch into its row"
        p = SimpleNamespace(training=training, **{name: self.tensors.get((layer, name)) for name in TENSORS})
        if hasattr(layer, "mask") and layer.mask.ndim == x.ndim:
            p.mask = channels_first(torch.tensor(np.array(layer.mask)))
        return channels_last(row.torch(torch, layer, channels_first(x), p))


def check_against_torch(bench: Bench, seed: int, batches: list[int]) -> None:
    first, rng = bench.network.layers[0], np.random.default_rng(seed)
    running = bench.network.running_statistics()
    weights = {name: np.array(array) for name, array in running.items() if name.endswith("weight")}
    bench.fill(rng)
    for name, weight in weights.items():
        running[name][...] = weight
    duplicate = Reference(bench)
    for b in batches:
        bench.bind(b)
        bench.x[...], bench.target[...] = row_of(first).draw(rng, bench.x.shape), rng.normal(0, 1, bench.target.shape)
        found = bench.results()
        x = torch.tensor(np.array(bench.x), requires_grad=True)
        y = duplicate.run(bench.network, x, training=True)
        loss = (y * torch.tensor(np.array(bench.target))).sum() / b
        for tensor in duplicate.learned.values():
            tensor.grad = None
        loss.backward()
        assert_allclose(found["z"], y.detach(), **EXACT)
        assert_allclose(found["dx"], x.grad, **EXACT)
        for segment in bench.network.layout:
            assert_allclose(segment.view(found["gradient"]), duplicate.learned[segment.name].grad, **EXACT)
        for name, kept in bench.network.running_statistics().items():
            assert_allclose(kept, duplicate.kept[name], **EXACT)
    x = row_of(first).draw(rng, (7, *bench.shape))
    with torch.no_grad():
        y = duplicate.run(bench.network, torch.tensor(x), training=False)
    assert_allclose(bench.network.predict(x, batch_size=3), y, **EXACT)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_layer(name: str, kind: str) -> None:
    shape = {"features": (6,), "sequences": (4, 12), "images": (6, 7, 3)}[kind]
    bench = Bench([LAYERS[name].make(shape)], shape, 5)
    check_against_torch(bench, seed=1, batches=[5, 3, 4, 2])


@pytest.mark.parametrize("name", [name for name, kind in CASES if name.startswith("Conv2d") and kind == "images"])
@pytest.mark.parametrize("channels", [3, 6])  # on both sides of where the layout of patches changes
def test_convolution_of_a_few_images_at_a_time(name: str, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_size, "CACHED", BlockSize(700, 1_000_000))
    shape = (6, 7, channels)
    bench = Bench([LAYERS[name].make(shape)], shape, 9)
    assert bench.network.layers[0].patches.size < 9 * 4 * 5 * 9 * channels  # type: ignore[attr-defined]
    check_against_torch(bench, seed=2, batches=[9, 4, 1])


@pytest.mark.parametrize("kernel", [1, 2, 3, (1, 3), (3, 2), (5, 6)])
@pytest.mark.parametrize("stride", [1, 2, (3, 1)])
@pytest.mark.parametrize("padding", [0, 1, (0, 2)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("channels", [2, 5])
def test_convolution(kernel: Any, stride: Any, padding: Any, bias: bool, channels: int) -> None:
    layer = Conv2d(4, kernel, stride=stride, padding=padding, bias=bias)
    check_against_torch(Bench([layer], (5, 6, channels), 3), seed=3, batches=[3, 1])


@pytest.mark.parametrize("pool", [MaxPool2d, AvgPool2d])
@pytest.mark.parametrize("kernel", [1, 2, 3, (1, 3), (5, 6)])
@pytest.mark.parametrize("stride", [None, 1, 2, (3, 1)])
def test_pools(pool: Any, kernel: Any, stride: Any) -> None:
    check_against_torch(Bench([pool(kernel, stride=stride)], (5, 6, 2), 3), seed=4, batches=[3, 1])


@pytest.mark.parametrize("ghost", [None, 2, 3, 4, 8])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(4,), (3, 2, 4)])
def test_batch_normalisation_trains_and_evaluates(ghost: int | None, affine: bool, shape: tuple[int, ...]) -> None:
    layers = [BatchNorm(ghost=ghost, affine=affine, momentum=0.3), ReLU()]
    check_against_torch(Bench(layers, shape, 9), seed=5, batches=[9, 8, 7, 6, 5, 2])


@pytest.mark.parametrize("layer", [Linear(50), Conv2d(40, 3)])
def test_initializers_that_reproduce_the_defaults_of_pytorch(layer: Any) -> None:
    layer.init, layer.bias_init = init.FanInUniform(), init.FanInUniform()
    shape = (30,) if isinstance(layer, Linear) else (5, 5, 12)
    network = Bench([layer], shape, 1).network
    torch.manual_seed(0)
    theirs = torch.nn.Linear(30, 50) if isinstance(layer, Linear) else torch.nn.Conv2d(12, 40, 3)
    for (name, ours), their in zip(network.parameters().items(), (theirs.weight, theirs.bias), strict=True):
        bound = float(their.detach().abs().max())
        assert np.abs(ours).max() == pytest.approx(bound, rel=0.1), name
        assert ours.std() == pytest.approx(float(their.detach().std()), rel=0.2), name
