"""Every layer, loss and optimizer on the GPU path, without a GPU: captured whole, with the textbook's results."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.backend import Arena, Call, NumpyOps, Ops, Plan
from minisgd.backend.cuda.cupy_ops import CupyOps
from minisgd.backend.cuda.graph import GraphProgram
from minisgd.backend.cuda.launcher import launch_all
from minisgd.nn import BatchNorm, Conv2d, Flatten, Linear, MaxPool2d, ReLU
from minisgd.nn.cuda.linear import FUSED
from minisgd.nn.freezing import frozen
from tests.nn.layer_bench import Bench, TextbookOps
from tests.nn.layer_tables import ACTIVATIONS, LAYERS, LOSSES
from tests.optim.optimizer_table import LAYOUT, OPTIMIZERS

SHAPES = {"features": (6,), "sequences": (3, 12), "images": (5, 6, 3)}
CASES = [(name, kind) for name, row in LAYERS.items() for kind in row.kinds]
SEEDS = {"one": 3, "three": (3, 4, 5)}


@pytest.fixture
def cuda(fake_cupy) -> CupyOps:
    return CupyOps()


def is_captured(program) -> bool:
    """Tell whether a program that was replayed twice has become one launch, and has allocated nothing on the way."""
    assert isinstance(program, GraphProgram)
    return program.pool.total_bytes() == 0 and program.graph is not None


def compare(cuda: CupyOps, make, clock: int, draw=None) -> None:
    """Compare a step on both devices; on the GPU the third replay of the recorded one, which is a graph's second."""
    host, device = make(TextbookOps()), make(cuda)
    host.fill(np.random.default_rng(0), draw)
    device.take_from(host)
    for bench in (host, device):
        bench.ops.upload(clock, out=bench.clock)
        bench.ops.upload(np.full(bench.gradient.shape, np.nan), out=bench.gradient)
    statistics = host.ops.to_host(host.network.statistics)
    expected = host.results()
    with cuda.record() as program:
        dx = device.step()
    for _ in range(3):
        cuda.upload(statistics, out=device.network.statistics)
        program.replay()
    assert is_captured(program)
    found = device.snapshot(dx)
    for name, values in expected.items():
        assert_allclose(found[name], values, rtol=1e-9, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_layer(cuda, name, kind, seeds):
    shape = SHAPES[kind]

    def make(ops: Ops) -> Bench:
        # a short batch in the memory of a longer one: replicas lie apart
        return Bench([LAYERS[name].make(shape)], shape, 5, seeds=SEEDS[seeds], largest=7, ops=ops)

    compare(cuda, make, clock=2)


def test_a_step_has_as_many_launches_whatever_the_batch(cuda):
    """Where the CPU works on a few images at a time, every launch takes the whole batch."""
    layers = [Conv2d(16, 3, padding=1), BatchNorm(), ReLU(), MaxPool2d(2), Conv2d(8, 3), Flatten(), Linear(3)]

    def step(b: int, ops: Ops) -> list[Call]:
        return list(Bench(layers, (10, 10, 3), b, ops=ops).record())

    assert len(step(400, NumpyOps())) > 2 * len(step(100, NumpyOps()))
    calls = step(400, cuda)
    assert len(calls) == len(step(100, cuda))
    assert max(len(call.args[0]) for call in calls if call.function is launch_all) == 3  # sums, their parts, results


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss(cuda, name, weighted, seeds):
    row = LOSSES[name]

    def make(ops: Ops) -> Bench:
        options = {"loss": row.make(), "kind": row.kind, "weighted": weighted, "seeds": SEEDS[seeds]}
        return Bench([Linear(4)], (6,), 5, largest=7, ops=ops, **options)

    compare(cuda, make, clock=0, draw=row.draw)


def update(optimizer, ops: Ops, lead, dtype: str, replays: int) -> np.ndarray:
    """Return w after some updates with a learning rate that the host changes in between."""
    arena = Arena(ops, Plan(optimizer.requests(LAYOUT, dtype)), lead)
    w, g, lr = (ops.zeros((*lead, n), dtype) for n in (LAYOUT.size, LAYOUT.size, 1))
    rng = np.random.default_rng(0)
    ops.upload(rng.normal(0, 1, w.shape).astype(dtype), out=w)
    with ops.record() as program:
        optimizer.step(ops, optimizer.buffers(arena, LAYOUT, w, g, lr))
    for k in range(replays):
        ops.upload(rng.normal(0, 1, g.shape).astype(dtype), out=g)
        ops.upload(np.full(lr.shape, optimizer.lr / (1 + k), dtype), out=lr)
        program.replay()
    if isinstance(ops, CupyOps):
        assert is_captured(program)
    return ops.to_host(w)


@pytest.mark.parametrize("lead", [(), (3,)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer(cuda, name, dtype, lead):
    found = update(OPTIMIZERS[name], cuda, lead, dtype, 5)
    expected = update(OPTIMIZERS[name], TextbookOps(), lead, dtype, 5)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_that_products_take_in(cuda, name, seeds):
    def make(ops: Ops) -> Bench:
        layers = [
            Linear(9),
            ACTIVATIONS[name].make((9,)),
            Linear(7, bias=False),
            ACTIVATIONS[name].make((7,)),
            Linear(3),
        ]
        return Bench(layers, (6,), 5, seeds=SEEDS[seeds], largest=7, ops=ops)

    compare(cuda, make, clock=0)
    with cuda.record() as program:
        make(cuda).step()
    assert any(call.layer.startswith(name) for call in program) == (type(ACTIVATIONS[name].make((9,))) not in FUSED)
    bench, host = make(cuda), make(TextbookOps())
    host.fill(np.random.default_rng(0))
    bench.take_from(host)
    found, expected = bench.network.infer(cuda, bench.x), host.network.infer(host.ops, host.x)
    assert_allclose(cuda.to_host(found), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("name", "kind"), [("Linear", "features"), ("Conv2d", "images"), ("LayerNorm", "sequences")])
def test_a_frozen_layer(cuda, name, kind):
    """Kernels compute dx alone; the layer above is fused with its activation, or not."""
    shape = SHAPES[kind]
    compare(cuda, lambda ops: Bench([frozen(LAYERS[name].make(shape)), ReLU(), Flatten()], shape, 5, ops=ops), 0)
