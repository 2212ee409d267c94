"""What the GPU runs whole: how many launches are left, and when it keeps to the textbook."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import minisgd as ms
from minisgd.backend import Arena, Call, NumpyOps, Plan, Program
from minisgd.backend.cuda import cupy_vocabulary
from minisgd.backend.cuda.cupy_ops import CupyOps
from minisgd.backend.cuda.launcher import launch_all
from minisgd.nn import GELU, Linear, MaxPool2d, ReLU, Sequential, Tanh
from minisgd.optim import SGD
from minisgd.optim.cuda.formulas import FORMULAS
from minisgd.training.prepare import prepare
from tests.optim.optimizer_table import LAYOUT, OPTIMIZERS, vector

WITH_KERNEL = [name for name, optimizer in OPTIMIZERS.items() if type(optimizer) in FORMULAS]


@pytest.fixture
def cuda(fake_cupy) -> CupyOps:
    return CupyOps()


def launches(*programs: Program) -> int:
    """Count what a device is told: the launches of a call to kernels, one for every other call."""
    return sum(len(c.args[0]) if c.function is launch_all else 1 for program in programs for c in program)


def update(optimizer, ops, lead=(), layout=LAYOUT) -> Program:
    arena = Arena(ops, Plan(optimizer.requests(layout, "float32")), lead)
    w, g, lr = (ops.zeros((*lead, n), "float32") for n in (layout.size, layout.size, 1))
    with ops.record() as program:
        optimizer.step(ops, optimizer.buffers(arena, layout, w, g, lr))
    return program


@pytest.mark.parametrize("name", WITH_KERNEL)
def test_an_update_is_one_launch_of_its_formula(cuda, name):
    # its clock ticks, and the bias correction follows from it; the sum of squared rates grows, and the share with it
    first = bool(OPTIMIZERS[name].clocks) + bool(OPTIMIZERS[name].sums)
    for lead in ((), (3,)):
        for layout in (LAYOUT, vector(200_001)):
            assert launches(update(OPTIMIZERS[name], cuda, lead, layout)) == 1 + first


def test_what_somebody_wrote_over_is_left_alone(cuda):
    class Own(SGD):
        """A rule that is not SGD's."""

    assert cuda.method(Own(0.1), "move").__func__ is SGD.move
    replaced = SGD(0.1)
    replaced.move = replaced.move
    assert cuda.method(replaced, "move") == replaced.move
    assert cuda.method(SGD(0.1), "move").__func__ is not SGD.move


def test_a_subclass_declares_what_its_own_methods_need():
    class Own(MaxPool2d):
        """Somebody's own."""

    ops, x = NumpyOps(), (2, 4, 4, 1)
    for layer in (Own(2), replaced(MaxPool2d(2), "backward")):
        for name in ("declare", "forward", "infer", "backward"):
            assert ops.method(layer, name) == getattr(layer, name)
    names = ops.method(MaxPool2d(2), "declare")(x).buffers.keys()
    assert names != ops.method(Own(2), "declare")(x).buffers.keys() == MaxPool2d(2).declare(x).buffers.keys()


def replaced(layer, name):
    setattr(layer, name, getattr(layer, name))
    return layer


def test_a_dense_layer_and_its_activation_are_one_part_where_a_kernel_does_both(cuda):
    layers = [Linear(4), ReLU(), Linear(3), GELU(), Linear(2), Tanh()]
    chain = Sequential(*layers)

    def parts(ops, method):
        return [type(part).__name__ for part in ops.method(chain, "parts")(method)]

    assert parts(cuda, "forward") == ["LinearActivation", "Linear", "GELU", "LinearActivation"]
    assert parts(cuda, "backward") == ["Tanh", "Linear", "GELU", "LinearActivation", "Linear"]
    replaced(layers[0], "forward")
    assert parts(cuda, "forward")[:2] == ["Linear", "ReLU"]
    assert NumpyOps().method(chain, "parts")("forward") == layers


def test_whoever_observes_sees_every_method_and_says_what_is_run():
    ops, layer, seen = NumpyOps(), ReLU(), []
    with ops.observed_by(lambda part, name, method: seen.append((part, name, method)) or len):
        assert ops.method(layer, "forward") is len
    assert seen == [(layer, "forward", ops.method(layer, "forward"))]


def test_layers_too_long_for_32_bits_are_left_to_the_vocabulary(cuda, monkeypatch):
    layer = ReLU()
    layer.x = layer.y = cuda.zeros((2, 50), "float32")
    assert cuda.method(layer, "forward").__func__ is not ReLU.forward
    monkeypatch.setattr(cupy_vocabulary, "NUMBERED", 100)
    assert cuda.method(layer, "forward").__func__ is ReLU.forward


@pytest.mark.parametrize(("device", "loaded"), [("cpu", ["minisgd.nn.cpu"]), ("cuda", ["minisgd.nn.cuda"])])
def test_a_device_loads_its_own_bodies_when_it_first_asks(device, loaded):
    code = (
        "import sys, minisgd as ms; ms.Network, ms.SGD; before = set(sys.modules)\n"
        "from minisgd.backend import dispatch\n"
        f"dispatch.method({device!r}, ms.ReLU(), 'forward')\n"
        "print(*sorted(n for n in before if 'cuda' in n or n.startswith('minisgd.nn.cpu')), '|', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = done.stdout.split("|")
    assert before.split() == []
    assert set(loaded) <= set(after.split())
    assert ("cuda" in after) == (device == "cuda")


# ------------------------------------------------ a training step


def mlp() -> ms.Network:
    return ms.Network(ms.Linear(512), ms.ReLU(), ms.Linear(512), ms.ReLU(), ms.Linear(10))


def cnn() -> ms.Network:
    return ms.Network(
        ms.Conv2d(8, 3, padding=1, bias=False), ms.BatchNorm(), ms.ReLU(), ms.MaxPool2d(2),
        ms.Conv2d(16, 3, padding=1), ms.LayerNorm(), ms.GELU(), ms.AvgPool2d(2),
        ms.Flatten(), ms.Dropout(0.3), ms.Linear(10),
    )  # fmt: skip


def calls(network, shape, b: int, seeds) -> list[Call]:
    """Return what one update of a training run on 512 examples asks of the device, in its order."""
    x = np.zeros((512, *shape), "float32")
    data = ms.Dataset.from_arrays(x, np.arange(512) % 10, validation=None)
    prepared = prepare(network(), data, ms.SGD(0.1, momentum=0.9), device="cuda", batch_size=b, seeds=seeds)
    one, _ = prepared.session()._updates(b)
    return list(one)


STEPS = {
    # rows of tables; gather; affine with relu 3; loss; both gradients of a layer 2, dW with db of the first; update
    "mlp": (mlp, (784,), 10),
    # rows of tables; gather; ten layers; loss 1; ten layers, of which one has a dx beside dW; clock; update
    "cnn": (cnn, (12, 12, 1), 26),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_has_as_many_calls_whatever_the_batch_and_the_replicas(cuda, name):
    network, shape, expected = STEPS[name]
    for b, seeds in ((32, [1]), (256, [1]), (64, [1, 2, 3])):
        step = calls(network, shape, b, seeds)
        assert len(step) == expected
        extra = sum(len(call.args[0]) - 1 for call in step if call.function is launch_all)
        # a sum that many blocks share is added up by a second kernel; a normalisation is three
        assert extra <= {"mlp": 6, "cnn": 12}[name]


@pytest.mark.parametrize("lead", [(), (3,)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bytes_are_gathered_as_floats_in_one_launch(cuda, dtype, lead):
    rng = np.random.default_rng(0)
    data, index = rng.integers(0, 256, (20, 5, 3)).astype(np.uint8), rng.integers(0, 20, (*lead, 7))
    found = []
    for ops in (NumpyOps(), cuda):
        work, out = (ops.zeros((*lead, 7, 5, 3), kind) for kind in ("uint8", dtype))
        with ops.record() as program:
            ops.take_rescaled(ops.from_host(data), ops.from_host(index), 1 / 255, work=work, out=out)
        program.replay()
        found.append(ops.to_host(out))
    assert launches(program) == 1
    np.testing.assert_array_equal(*found)


def test_the_cpu_runs_every_method_as_it_is_written():
    optimizer = SGD(0.1)
    assert NumpyOps().method(optimizer, "move") == optimizer.move
    assert np.all([call.op != "update" for call in update(optimizer, NumpyOps())])
