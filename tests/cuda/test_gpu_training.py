"""Training on the GPU, whole: operations, kernels, recorder, feeds and trainer, over the double of CuPy.

What the double cannot show is how fast it is; that is for a machine with a GPU.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd import cli
from minisgd.backend import get_ops
from minisgd.lab.study import pilot_runs
from minisgd.training import prepare as preparation
from minisgd.training.feeds.device_feeds import ResidentFeed, StreamedFeed
from minisgd.training.multi_step import MultiStepSession
from minisgd.training.prepare import prepare

RNG = np.random.default_rng(0)
FEATURES, LABELS = RNG.standard_normal((150, 12)), np.arange(150) % 3
IMAGES = RNG.integers(0, 256, (150, 6, 6, 2)).astype(np.uint8)
TABLE = ms.Dataset.from_arrays(FEATURES, LABELS, validation=0.2)
PICTURES = ms.Dataset.from_arrays(IMAGES, LABELS, validation=0.2, scale=1 / 255)


def mlp() -> ms.Network:
    return ms.Network(ms.Linear(16), ms.ReLU(), ms.Linear(9), ms.Tanh(), ms.Linear(3))


def cnn() -> ms.Network:
    # no bias before BatchNorm: its gradient is zero but for rounding, which Adam would blow up to steps of lr
    return ms.Network(
        ms.Conv2d(4, 3, padding=1, bias=False), ms.BatchNorm(), ms.ReLU(), ms.MaxPool2d(2),
        ms.Flatten(), ms.Dropout(0.3), ms.Linear(3),
    )  # fmt: skip


MODELS = {"mlp": (mlp, TABLE), "cnn": (cnn, PICTURES)}
OPTIMIZERS = {
    "momentum": ms.SGD(lr=0.05, momentum=0.9),
    "adam": ms.Adam(lr=0.01),
    "rmsprop": ms.RMSProp(lr=ms.Cosine(0.01)),
}


@pytest.fixture(autouse=True)
def gpu(fake_cupy: Any) -> Any:
    """Every test has a device of its own, and no program may fail to be captured unseen."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield fake_cupy


def both(network: Any, data: Any, **options: Any) -> tuple[ms.Run, ms.Run]:
    cpu, gpu = (ms.train(network(), data, device=device, **options) for device in ("cpu", "cuda"))
    assert (cpu.device, gpu.device) == ("cpu", "cuda")
    return cpu, gpu


def assert_agree(cpu: ms.Run, gpu: ms.Run, atol: float = 1e-5) -> None:
    there, here = gpu.network.to_numpy(), cpu.network.to_numpy()
    for name, array in here.items():
        assert_allclose(there[name], array, rtol=0, atol=atol, err_msg=name)
    assert len(cpu.history) == len(gpu.history)
    for mine, theirs in zip(cpu.history, gpu.history, strict=True):
        for key in ("step", "epoch", "examples", "lr", "batch_size"):
            assert mine[key] == theirs[key], key
        for key in ("train_loss", "val_loss"):
            assert_allclose(theirs[key], mine[key], rtol=1e-4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_twenty_steps_give_the_weights_of_the_cpu(model: str, optimizer: str) -> None:
    network, data = MODELS[model]
    cpu, gpu = both(network, data, optimizer=OPTIMIZERS[optimizer], steps=20, batch_size=32, epochs=100)
    assert gpu.steps == 20
    assert_agree(cpu, gpu)


OPTIONS: dict[str, dict[str, Any]] = {
    "small memory": {"memory_limit": "14.2MiB", "batch_size": 60},
    "micro-batches": {"micro_batch": 10},
    "clipped": {"clip_norm": 0.1},
    "whole set": {"batch_size": "full"},
    "one example": {"batch_size": 1},
    "growing batch": {"batch_size": ms.GrowBatch(8, 32, every=1)},
    "dropped": {"last_batch": "drop"},
    "replacement": {"sampling": "replacement"},
    "float64": {"dtype": "float64"},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_way_to_train(name: str) -> None:
    options = {"optimizer": ms.SGD(lr=0.05, momentum=0.9), "steps": 20, "batch_size": 32, **OPTIONS[name]}
    cpu, gpu = both(mlp, TABLE, **options)
    assert_agree(cpu, gpu, 1e-10 if name == "float64" else 1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_data_that_stream_in_train_as_those_that_are_there(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, whether the set is in device memory or every batch comes through pinned buffers."""
    network, data = MODELS[model]
    options: dict[str, Any] = {"steps": 20, "batch_size": 32, "device": "cuda", "optimizer": ms.Adam(lr=0.01)}
    resident = ms.train(network(), data, **options)
    monkeypatch.setattr(preparation, "place", lambda ops, room, needed: StreamedFeed)
    streamed = ms.train(network(), data, **options)
    for name, array in resident.network.to_numpy().items():
        assert_array_equal(streamed.network.to_numpy()[name], array)
    for one, other in zip(resident.history, streamed.history, strict=True):
        assert (one["train_loss"], one["val_loss"]) == (other["train_loss"], other["val_loss"])


def test_a_stack_whose_data_stream_in(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for kind in (ResidentFeed, StreamedFeed):
        monkeypatch.setattr(preparation, "place", lambda ops, room, needed, kind=kind: kind)
        prepared = prepare(
            cnn(), PICTURES, ms.SGD(lr=0.05, momentum=0.9), device="cuda", batch_size=32, seeds=[1, 1, 2]
        )
        session, evaluator = prepared.session(lr_factors=[1.0, 0.1, 0.5]), prepared.evaluator()
        assert evaluator is not None
        while session.steps < 9:  # short batches among them
            session.advance(lambda session=session: session.steps >= 9)
        found.append([session.ops.to_host(session.network.vector), session.take_train_loss(), evaluator.score().loss])
    for resident, streamed in zip(*found, strict=True):
        assert_array_equal(streamed, resident)


def test_tf32_is_for_those_who_ask() -> None:
    asked = ms.train(mlp(), TABLE, steps=3, device="cuda", precision="tf32")
    assert asked.network.ops.precision == "tf32" and asked.device == "cuda"
    assert ms.train(mlp(), TABLE, steps=3, device="cuda").network.ops.precision == "full"
    with pytest.raises(ms.ArgumentError, match="precision must be 'full' on the CPU"):
        ms.train(mlp(), TABLE, steps=3, device="cpu", precision="tf32")


@pytest.mark.parametrize("model", MODELS)
def test_a_stack_of_replicas(model: str) -> None:
    network, data = MODELS[model]
    found = []
    for device in ("cpu", "cuda"):
        prepared = prepare(network(), data, ms.SGD(lr=1.0, momentum=0.9), batch_size=16, device=device, seeds=[3, 3, 4])
        session = prepared.session(last_batch="drop", lr_factors=[0.05, 0.01, 0.02])
        evaluator = prepared.evaluator()
        assert evaluator is not None
        assert isinstance(session, MultiStepSession) == (device == "cuda")
        for stage, goal in enumerate((12, 20)):
            while session.steps < goal:
                session.advance(lambda: session.steps >= goal)  # noqa: B023
            found.append(session.take_train_loss())
            found.append(evaluator.score().loss)
            if stage == 0:
                session.keep([0, 2])
                evaluator.forget_programs()
        found.append(session.ops.to_host(session.network.vector))
        found.append(session.ops.to_host(session.network.statistics))
    half = len(found) // 2
    for cpu, gpu in zip(found[:half], found[half:], strict=True):
        assert_allclose(gpu, cpu, rtol=1e-5, atol=1e-5)


def test_a_study_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pilot_runs, "STEPS", 80)
    options: dict[str, Any] = {
        "batch_sizes": [16, 64], "learning_rates": [0.03, 0.1], "seeds": 2, "train_for": "steps:24",
        "target_accuracy": 0.5, "threads": 1,
    }  # fmt: skip
    results = [ms.study(mlp(), TABLE, device=device, **options).result for device in ("cpu", "cuda")]
    cpu, gpu = ([(b.batch_size, b.lr, b.val_accuracy) for b in result.batch_sizes] for result in results)
    assert cpu == gpu


# ------------------------------------------------ graphs


def test_eight_steps_are_one_launch(launched: list[Any]) -> None:
    data = ms.Dataset.from_arrays(FEATURES[:128], LABELS[:128], validation=None)
    ms.train(mlp(), data, batch_size=16, steps=1 + 8 * 5, epochs=100, evaluate_every=100, device="cuda")
    # the first step is plain, and so are the first eight together; eight to an epoch of 128
    assert len(launched) == 4
    assert len(set(map(id, launched))) == 1


def test_a_step_has_few_kernels(launched: list[Any]) -> None:
    """Each is some microseconds of a small step: one for a product, split or not, one for the loss and its sum."""
    data = ms.Dataset.from_arrays(RNG.standard_normal((256, 784)), np.arange(256) % 10, validation=None)
    network = ms.Network(ms.Linear(512), ms.ReLU(), ms.Linear(512), ms.ReLU(), ms.Linear(10))
    session = prepare(network, data, ms.SGD(lr=0.01, momentum=0.9), batch_size=128, device="cuda").session()
    for _ in range(2):
        session.advance(lambda: True)
    # rows of tables, gather, 3 forward, loss, 3 backward, update
    assert len(launched[-1].nodes) == 10


def test_gradients_of_a_convolution_run_beside_each_other(launched: list[Any]) -> None:
    """On a second stream, which is part of the graph; with the weights of the CPU, see the tests of training."""
    images = RNG.standard_normal((32, 6, 6, 1))
    data = ms.Dataset.from_arrays(images, np.arange(32) % 3, validation=None)
    network = ms.Network(ms.Conv2d(2, 3), ms.ReLU(), ms.Conv2d(2, 3), ms.Flatten(), ms.Linear(3))
    session = prepare(network, data, ms.SGD(lr=0.01), batch_size=16, device="cuda").session()
    for _ in range(2):
        session.advance(lambda: True)
    order = list(launched[-1]._in_order())
    first, second = (place for place, node in enumerate(order) if place != node)  # of the second convolution
    assert (order[first], order[second]) == (second, first) and second == first + 1


def test_where_the_host_is_asked_in_between_a_step_is_one_launch_of_each_program(launched: list[Any]) -> None:
    class Watching(ms.Callback):
        seen = 0

        def on_step(self, training: Any) -> None:
            self.seen += 1

    watching = Watching()
    data = ms.Dataset.from_arrays(FEATURES[:128], LABELS[:128], validation=None)
    ms.train(mlp(), data, batch_size=16, steps=10, evaluate_every=100, device="cuda", callbacks=[watching])
    assert watching.seen == 10
    assert len(launched) == 3 * 9  # gather, gradient, update


def test_evaluation_and_prediction_are_graphs_too(launched: list[Any]) -> None:
    run = ms.train(mlp(), TABLE, batch_size=32, steps=1, device="cuda")
    launched.clear()
    prediction = run.network.predict(FEATURES.astype(np.float32), batch_size=50)  # three times the same program
    assert len(launched) == 2
    assert_allclose(prediction, run.network.to("cpu").predict(FEATURES.astype(np.float32)), atol=1e-5)
    prepared = prepare(mlp(), TABLE, ms.SGD(lr=0.1), device="cuda")
    evaluator = prepared.evaluator()
    assert evaluator is not None
    launched.clear()
    scores = [evaluator.score() for _ in range(4)]
    assert len(launched) == 3
    assert len({float(score.loss[0]) for score in scores}) == 1


def test_a_step_that_cannot_be_captured_trains_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = ms.train(mlp(), TABLE, batch_size=32, steps=12)

    class Chatty(ms.Tanh):
        def forward(self, ops: Any, x: Any) -> Any:
            y = super().forward(ops, x)
            ops.run("ask", lambda a: float(a[..., :1, :1].reshape(-1)[0]), (y,), (y,), y)
            return y

    layers = list(mlp().layers)
    layers[3] = Chatty()
    with pytest.warns(
        RuntimeWarning, match=r"cannot be captured as a CUDA graph, so its \d+ calls are launched one by"
    ):
        gpu = ms.train(ms.Network(*layers), TABLE, batch_size=32, steps=12, device="cuda")
    assert_agree(cpu, gpu)


# ------------------------------------------------ devices


def test_devices_do_not_mix() -> None:
    net = ms.train(mlp(), TABLE, steps=2, device="cuda").network
    ops = net.ops
    with pytest.raises(ms.DtypeError, match=r"x must be a NumPy array, got .*; move it first: cupy.asnumpy"):
        net.predict(ops.from_host(FEATURES))
    with pytest.raises(ms.DtypeError, match=r"device 'cuda', got numpy.ndarray; move it first: ops.from_host"):
        ops.add(FEATURES, 1.0, out=ops.zeros(FEATURES.shape, "float64"))


def test_a_network_moves_there_and_back(tmp_path: Path) -> None:
    here = mlp().build((12,), seeds=5)
    there = here.to("cuda")
    assert (here.ops.device, there.ops.device, there.to("cpu").ops.device) == ("cpu", "cuda", "cpu")
    for name, array in here.to_numpy().items():
        assert type(there.to_numpy()[name]) is np.ndarray
        assert_array_equal(there.to_numpy()[name], array)
        assert_array_equal(there.to("cpu").to_numpy()[name], array)
    one, other = here.save(tmp_path / "here.safetensors"), there.save(tmp_path / "there.safetensors")
    for file in (one, other):
        for net in (here, there):
            assert_array_equal(net.load(file).to_numpy()["0.W"], here.to_numpy()["0.W"])
    stack = mlp().build((12,), seeds=[1, 2]).to("cuda")
    assert_array_equal(stack.replica(1).to_numpy()["0.W"], mlp().build((12,), seeds=2).to_numpy()["0.W"])


def test_training_stays_where_the_network_is() -> None:
    there = mlp().build((12,), seeds=5).to("cuda")
    assert ms.train(there, TABLE, steps=1).device == "cuda"
    assert ms.train(there, TABLE, steps=1, device="cpu").device == "cpu"
    assert ms.train(mlp(), TABLE, steps=1).device == "cpu"
    assert ms.train(mlp(), TABLE, steps=1, device="auto").device == "cuda"
    assert get_ops("auto").device == "cuda"


# ------------------------------------------------ interruptions and the command line


@pytest.mark.parametrize("stop_at", [1, 9, 12])
def test_an_interruption_leaves_a_valid_partial_result(stop_at: int) -> None:
    def interrupt(done: float, record: Any) -> None:
        if done * 30 >= stop_at:
            raise KeyboardInterrupt

    run = ms.train(mlp(), TABLE, steps=30, epochs=100, device="cuda", on_progress=interrupt, evaluate_every=100)
    assert run.stopped == "interrupted" and run.steps >= stop_at
    same = ms.train(mlp(), TABLE, steps=run.steps, epochs=100, device="cpu", evaluate_every=100)
    assert_agree(same, run) if len(run.history) else None
    for name, array in same.network.to_numpy().items():
        assert_allclose(run.network.to_numpy()[name], array, atol=1e-5)


def test_the_command_line_trains_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"train --data digits --model mlp:16 --steps 30 --device auto --json --out {tmp_path}"
    assert cli.main(line.split()) == 0
    said = capsys.readouterr()
    figures = json.loads(said.out)
    assert figures["device"] == "cuda" and figures["steps"] == 30
    assert "device: cuda" in said.err
    assert cli.main("train --data digits --model mlp:16 --steps 30 --json".split()) == 0
    here = json.loads(capsys.readouterr().out)
    assert_allclose(figures["val_loss"], here["val_loss"], rtol=1e-4)
    assert (tmp_path / "weights.safetensors").exists()


def test_doctor_names_the_device(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--json"]) == 0
    gpu = json.loads(capsys.readouterr().out)["gpu"]
    assert gpu["usable"] and gpu["device"] == "Emulated device" and gpu["memory_bytes"] == 1 << 28
    assert cli.main(["doctor"]) == 0
    assert "on the CPU and on Emulated device" in capsys.readouterr().out


@pytest.mark.gpu
def test_only_a_device_can_show_how_fast_a_graph_is() -> None:
    pytest.skip("no GPU here: python -m benchmarks.gpu.check measures it on one")
