"""A training run that was stopped and resumed is the uninterrupted one, to the last bit."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

import minisgd as ms
from minisgd.packing import pack, unpack
from minisgd.training import consecutive_steps
from tests.backend.cpu.native.bits import needs_native


def data() -> ms.Dataset:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(58, 5)).astype(np.float32)
    return ms.Dataset.from_arrays(x, (x[:, 0] * x[:, 1] > 0).astype(np.int64), validation=0.2, seed=0)


def net(*, norm: bool = True, dropout: bool = True) -> ms.Network:
    layers = [ms.Linear(6), *[ms.BatchNorm()] * norm, ms.ReLU(), *[ms.Dropout(0.3)] * dropout, ms.Linear(2)]
    return ms.Network(*layers)


def digest(run: Any, folder: Path) -> str:
    """Return a digest of the weights, the history, and of all that the last checkpoint holds besides times."""
    last = max(folder.glob("*.json"))
    state = json.loads(last.read_text())["state"]
    for timed in ("seconds", "train_seconds"):
        del state["training"][timed]
    for record in state["training"]["history"]:
        del record["seconds"]
    whole = hashlib.sha256(last.with_suffix(".safetensors").read_bytes())
    whole.update(json.dumps([state["session"], state["training"], state["callbacks"]], sort_keys=True).encode())
    for array in run.network.to_numpy().values():
        whole.update(array.tobytes())
    whole.update(repr([{**record, "seconds": 0} for record in run.history]).encode())
    return whole.hexdigest()


def stop_at(step: int):
    """Return a hook that sends SIGINT after so many calls."""
    calls = 0

    def hook(share: float, record: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            signal.raise_signal(signal.SIGINT)

    return hook


# ------------------------------------------------ every step of many settings

OPTIMIZERS = ms.optim.OPTIMIZERS | {
    "momentum": partial(ms.SGD, momentum=0.9),
    "nesterov": partial(ms.SGD, momentum=0.9, nesterov=True, weight_decay=1e-3),
}
RATES = {
    "constant": 0.02,
    "steps": ms.StepDecay(0.02, every=1),
    "cosine": ms.Cosine(0.02),
    "warmup": ms.Warmup(0.02, epochs=1),
    "one cycle": ms.OneCycle(0.02),
    "stable": ms.StableDecay(0.02),
    "scaled": ms.ScaledByBatch(ms.Cosine(0.02), reference=4),
}
SIZES = {
    "constant": 8,
    "short last": 11,
    "one": 1,
    "full": "full",
    "grow": ms.GrowBatch(4, 16, every=0.5),
    "milestones": ms.BatchMilestones({0: 4, 1: 9}),
    "norm test": ms.NormTest(4, 30, every=2),
    "inner product": ms.InnerProductTest(4, 30, every=3),
    "cabs": ms.CABS(4, 30, every=2),
    "never shrink": ms.NeverShrink(ms.CABS(4, 30, every=2)),
}
SETTINGS: dict[str, dict[str, Any]] = {
    **{f"{name}, {rate}": {"optimizer": kind(lr=RATES[rate])} for name, kind in OPTIMIZERS.items() for rate in RATES},
    **{
        f"{size}, {sampling}, {last}": {"batch_size": SIZES[size], "sampling": sampling, "last_batch": last}
        for size in SIZES
        for sampling in ("shuffle", "replacement", "sequential")
        for last in ("use", "drop")
    },
    **{
        f"micro-batches, {size}": {"batch_size": SIZES[size], "micro_batch": 3}
        for size in ("constant", "short last", "grow", "cabs")
    },
    "clipped": {"clip_norm": 0.1, "batch_size": 8},
    "float64": {"dtype": "float64", "batch_size": 8},
    "transformed": {"transform": [ms.Noise(0.1), ms.Mixup(0.4)], "batch_size": 11},
}
IN_A_ROW = [name for name in SETTINGS if "one cycle" in name or "shuffle, use" in name]
ON_A_DEVICE = ["adam, warmup", "short last, shuffle, use", "grow, replacement, use", "cabs, shuffle, use"]


def sessions(options: dict[str, Any], steps: int, device: str) -> Any:
    """Return a function that makes the session of such a training run anew."""
    from minisgd.training.prepare import prepare

    dataset = data()
    order = {name: options[name] for name in ("sampling", "last_batch") if name in options}
    settings = {name: value for name, value in options.items() if name not in (*order, "optimizer")}
    optimizer = options.get("optimizer") or ms.SGD(lr=ms.OneCycle(0.1), momentum=0.9)

    def make() -> Any:
        network = net(
            norm=options.get("batch_size") != 1 and "micro_batch" not in options
        )  # it takes no single example
        prepared = prepare(network, dataset, optimizer, seeds=5, device=device, **{"batch_size": 8} | settings)
        return prepared.session(epochs=steps / 6, steps=steps, **order)

    return make


def bits(session: Any) -> str:
    state = session.state()
    arrays = state.pop("arrays")
    whole = hashlib.sha256(repr(sorted(state.items())).encode())
    for name in sorted(arrays):
        whole.update(name.encode() + arrays[name].tobytes())
    return whole.hexdigest()


def advance(session: Any, steps: int) -> str:
    """Take updates, in a row where the session can, until there were so many; return the bits of its state."""
    while session.steps < steps:
        session.advance(lambda: session.steps >= steps)
    return bits(session)


def stop_at_every_step(name: str, steps: int, device: str = "cpu") -> None:
    """Compare a training run, stopped at each of its steps, with one that takes them one by one and is not stopped."""
    make = sessions(SETTINGS[name], steps, device)
    session, states, expected = make(), [], []
    for step in range(steps):
        expected.append(advance(session, step))
        tensors: dict[str, Any] = {}
        document = json.dumps(pack(session.state(), tensors), allow_nan=False)
        states.append(unpack(json.loads(document), load(save(tensors))))  # as it is in the files
    end = advance(session, steps)
    for step in range(steps):
        other = make()
        other.restore(states[step // 2])
        assert advance(other, step) == expected[step], f"stopped after {step // 2} steps and after {step}"
        assert advance(other, steps) == end, f"stopped after {step} steps"
    assert len(states) == steps


@pytest.mark.parametrize("name", SETTINGS)
def test_stopped_at_every_step_the_session_goes_on_to_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINISGD_EXECUTOR", "numpy")
    stop_at_every_step(name, 12)


@needs_native
@pytest.mark.parametrize("name", IN_A_ROW)
def test_stopped_among_updates_in_a_row_it_does_so_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINISGD_EXECUTOR", "native")
    monkeypatch.setattr(consecutive_steps, "RESPONSE", 1e9)
    stop_at_every_step(name, 12)


@pytest.mark.parametrize("name", ON_A_DEVICE)
def test_and_on_a_device(name: str, fake_cupy: Any) -> None:
    stop_at_every_step(name, 6, "cuda")


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["numpy", pytest.param("native", marks=needs_native)])
@pytest.mark.parametrize("name", SETTINGS)
def test_two_hundred_steps(name: str, executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINISGD_EXECUTOR", executor)
    monkeypatch.setattr(consecutive_steps, "RESPONSE", 1e9)
    stop_at_every_step(name, 200)


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_A_DEVICE)
def test_two_hundred_steps_on_a_device(name: str, fake_cupy: Any) -> None:
    stop_at_every_step(name, 200, "cuda")


def test_the_flush_of_small_state_is_counted_on() -> None:
    make = sessions({"optimizer": ms.Adam(lr=0.01)}, 600, "cpu")
    session, states = make(), {}
    while session.steps < 530:
        if session.steps in (1, 255, 256, 257, 511, 512, 513):
            states[session.steps] = session.state()
        session.step()
    assert len(states) == 7
    for state in states.values():
        other = make()
        other.restore(state)
        while other.steps < 530:
            other.step()
        assert bits(other) == bits(session)


# ------------------------------------------------ whole training runs


def untimed(callback: Any) -> Any:
    """Return a callback whose state does not tell how long it took."""
    state = callback.state
    callback.state = lambda: state() | {"seconds": 0.0}
    return callback


RUNS: dict[str, dict[str, Any]] = {
    "shuffle": {},
    "short batches, early stopping": {
        "batch_size": 14,
        "callbacks": lambda: [ms.EarlyStopping(2, metric="train_loss")],
    },
    "growing, best weights": {
        "batch_size": ms.GrowBatch(4, 16, every=0.5),
        "callbacks": lambda: [ms.BestWeights()],
    },
    "watched": {
        "callbacks": lambda: [
            ms.NoiseTracker(2),
            ms.Trace(3),
            ms.Trajectory(2),
            untimed(ms.SharpnessTracker(4)),
            untimed(ms.Sampled(lambda network: float(network.vector.sum()), every=2)),
        ]
    },
    "cabs, replacement": {"batch_size": ms.NeverShrink(ms.CABS(4, 30, every=2)), "sampling": "replacement"},
    "evaluated between epochs": {"evaluate_every": 0.4, "optimizer": ms.SGD(lr=ms.Cosine(0.1), momentum=0.9)},
    "kept every half epoch": {"checkpoint_every": 0.5},
}


def go(folder: Path, options: dict[str, Any], **more: Any) -> ms.Run:
    made = {name: value() if name == "callbacks" else value for name, value in options.items()}
    usual = {"optimizer": ms.Adam(lr=0.01), "batch_size": 10, "epochs": 2, "checkpoint": folder}
    return ms.train(net(), data(), **usual | made | more)


@pytest.mark.parametrize("name", RUNS)
def test_interrupted_at_every_step_the_training_run_goes_on_to_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = RUNS[name]
    whole = go(tmp_path / "whole", options)
    end, stops = digest(whole, tmp_path / "whole"), 0
    for step in range(1, whole.steps):
        folder = tmp_path / str(step)
        with monkeypatch.context() as patch:
            patch.setenv("MINISGD_EXECUTOR", "numpy")  # which takes one update at a time
            part = go(folder, options, on_progress=stop_at(step))
        assert part.stopped == "interrupted" and part.steps == step
        run = go(folder, options, resume=folder)
        assert (run.stopped, run.steps) == (whole.stopped, whole.steps)
        assert digest(run, folder) == end, f"stopped after {step} steps"
        stops += 1
    assert stops == whole.steps - 1 >= 5


@needs_native
@pytest.mark.parametrize("name", ["shuffle", "evaluated between epochs", "kept every half epoch"])
def test_interrupted_after_updates_in_a_row_it_goes_on_to_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINISGD_EXECUTOR", "native")
    monkeypatch.setattr(consecutive_steps, "RESPONSE", 1e9)
    options, stops = RUNS[name], []
    whole = go(tmp_path / "whole", options)
    for calls in range(1, whole.steps):
        folder = tmp_path / str(calls)
        part = go(folder, options, on_progress=stop_at(calls))
        if part.stopped != "interrupted":
            break
        stops.append(part.steps)
        assert digest(go(folder, options, resume=folder), folder) == digest(whole, tmp_path / "whole")
    assert stops[0] == 1 and 1 < len(set(stops)) < whole.steps - 1  # some of them in a row


@pytest.mark.parametrize(
    "options", [{}, {"batch_size": ms.GrowBatch(4, 16, every=1)}, {"batch_size": "full", "epochs": 6}], ids=str
)
def test_the_device_too_goes_on_to_the_same_bits(options: dict[str, Any], tmp_path: Path, fake_cupy: Any) -> None:
    common = {"device": "cuda", "checkpoint_every": 0.01, "optimizer": ms.Adam(lr=ms.Warmup(0.01, epochs=1))} | options
    whole = go(tmp_path / "whole", common)
    for step in (1, 2, whole.steps - 1):
        folder = tmp_path / str(step)
        part = go(folder, common, on_progress=stop_at(step))
        assert 0 < part.steps < whole.steps
        run = go(folder, common, resume=folder)
        assert digest(run, folder) == digest(whole, tmp_path / "whole")


@pytest.mark.filterwarnings("ignore:after .* epochs the training loss")  # random labels teach nothing
def test_five_epochs_and_five_more_are_ten(tmp_path: Path) -> None:
    whole = go(tmp_path / "whole", {}, epochs=10)
    for first in ({"epochs": 5}, {"epochs": 4.3}, {"steps": 17}):
        folder = tmp_path / str(first)
        go(folder, {}, **first)
        assert digest(go(folder, {}, epochs=10, resume=folder), folder) == digest(whole, tmp_path / "whole")


def test_a_finished_training_run_is_there_at_once(tmp_path: Path) -> None:
    whole = go(tmp_path, {"callbacks": lambda: [ms.BestWeights()]})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = go(tmp_path, {"callbacks": lambda: [ms.BestWeights()]}, resume=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    np.testing.assert_array_equal(again.network.vector, whole.network.vector)
    assert again.history.records == whole.history.records and again.steps == whole.steps


def test_a_training_run_that_a_callback_has_ended_has_ended(tmp_path: Path) -> None:
    def patient(evaluations: int) -> dict[str, Any]:
        return {"callbacks": lambda: [ms.EarlyStopping(evaluations, metric="val_accuracy", min_delta=1.0)], "epochs": 6}

    whole = go(tmp_path, patient(2))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = go(tmp_path, patient(2), resume=tmp_path)
    assert again.stopped == whole.stopped == "stopped by a callback" and again.steps == whole.steps < 30
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert go(tmp_path, patient(4), resume=tmp_path).steps > whole.steps  # more patience


# ------------------------------------------------ what is refused

OTHER: dict[str, tuple[dict[str, Any], str]] = {
    "optimizer": ({"optimizer": ms.Adam(lr=0.02)}, r"optimizer must be Adam\(lr=0.01\), as in the checkpoint"),
    "batch size": ({"batch_size": 12}, "batch_size must be"),
    "seed": ({"seed": 1}, "seed must be 0"),
    "sampling": ({"sampling": "sequential"}, "sampling must be shuffle"),
    "callbacks": ({"callbacks": lambda: [ms.BestWeights()]}, r"callbacks must be \[\]"),
    "clip": ({"clip_norm": 1.0}, "clip_norm must be None"),
    "loss": ({"loss": ms.SoftmaxCrossEntropy(label_smoothing=0.1)}, "loss must be"),
    "dtype": ({"dtype": "float64"}, "dtype must be float32"),
    "micro-batch": ({"micro_batch": 4}, "micro_batch must be 10"),
}


@pytest.mark.parametrize("name", OTHER)
def test_another_training_run_is_refused_with_the_difference_named(name: str, tmp_path: Path) -> None:
    go(tmp_path, {}, steps=3)
    options, message = OTHER[name]
    with pytest.raises(ms.CheckpointError, match=message):
        go(tmp_path, options, steps=3, resume=tmp_path)


def test_another_network_and_other_data_are_refused(tmp_path: Path) -> None:
    common = {"batch_size": 8, "steps": 3}
    ms.train(net(), data(), **common, checkpoint=tmp_path)
    with pytest.raises(ms.CheckpointError, match="network must be"):
        ms.train(net(norm=False), data(), **common, resume=tmp_path)
    with pytest.raises(ms.CheckpointError, match="network must be"):
        ms.train(net(dropout=False), data(), **common, resume=tmp_path)
    for split in ("train", "validation"):
        other = data()
        other.splits[split].x[4, 2] += 1e-6
        with pytest.raises(ms.CheckpointError, match=r"data must be data .*train x \(46, 5\) .*as in the checkpoint"):
            ms.train(net(), other, **common, resume=tmp_path)
    ms.train(net(), data(), **common, resume=tmp_path)


def test_functions_of_ones_own_belong_to_the_training_run(tmp_path: Path) -> None:
    def options(rate: float, factor: float) -> dict[str, Any]:
        transforms = [lambda x, y, rng: (x + 1, y), lambda x, y, rng: (factor * x, y)]
        return {"optimizer": ms.SGD(lr=lambda progress: rate), "transform": transforms}

    go(tmp_path, options(0.1, 2.0), steps=3)
    go(tmp_path, options(0.1, 2.0), steps=4, resume=tmp_path)
    with pytest.raises(ms.CheckpointError, match=r"optimizer must be SGD\(lr=<function"):
        go(tmp_path, options(0.2, 2.0), steps=5, resume=tmp_path)
    with pytest.raises(ms.CheckpointError, match="transform must be"):
        go(tmp_path, options(0.1, 3.0), steps=5, resume=tmp_path)


class Scaled(ms.Layer):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = np.full(6, factor)

    def declare(self, x: Any) -> ms.Declaration:
        return ms.Declaration(y=x)

    def forward(self, ops: Any, x: Any) -> Any:
        ops.multiply(x, self.factor, out=self.y)
        return self.y

    def backward(self, ops: Any, dy: Any) -> None:
        return None


def test_a_constant_of_a_layer_of_ones_own_belongs_to_the_network(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)), np.arange(40) % 3
    ms.train(ms.Network(Scaled(2.0), ms.Linear(3)), (x, y), steps=3, checkpoint=tmp_path)
    ms.train(ms.Network(Scaled(2.0), ms.Linear(3)), (x, y), steps=4, resume=tmp_path)
    with pytest.raises(ms.CheckpointError, match="network must be"):
        ms.train(ms.Network(Scaled(3.0), ms.Linear(3)), (x, y), steps=5, resume=tmp_path)


HOLD = """
import sys, pathlib, minisgd.files
minisgd.files.lock_folder(pathlib.Path(sys.argv[1]), "x")
print(1, flush=True)
input()
"""


def test_a_folder_is_of_one_process_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline()
        with pytest.raises(
            ms.ArgumentError, match=f"no other process is working in, got one in use by process {other.pid}"
        ):
            go(tmp_path, {}, steps=3)
        other.communicate(b"\n")
    go(tmp_path, {}, steps=3)
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize("rate", [ms.Cosine(0.1), ms.OneCycle(0.1), ms.Warmup(ms.Cosine(0.1), epochs=1)], ids=str)
def test_a_schedule_over_the_whole_run_keeps_its_length(rate: Any, tmp_path: Path) -> None:
    go(tmp_path, {"optimizer": ms.SGD(lr=rate)}, on_progress=stop_at(3))
    with pytest.raises(ms.CheckpointError, match=r"epochs must be 2, as in the checkpoint, because .* got 3"):
        go(tmp_path, {"optimizer": ms.SGD(lr=rate)}, epochs=3, resume=tmp_path)


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ms.CheckpointError, match="no such folder"):
        go(tmp_path / "a", {}, resume=tmp_path / "nowhere")
    with pytest.raises(ms.CheckpointError, match="no checkpoint in it"):
        go(tmp_path / "a", {}, resume=tmp_path)
    (tmp_path / "checkpoint-000000003.json").write_text("{}")
    with pytest.raises(ms.CheckpointError, match=r"got a file: its folder is '.*'"):
        go(tmp_path / "a", {}, resume=tmp_path / "checkpoint-000000003.json")
    for value in ("", "  ", "a\0b"):
        with pytest.raises(ms.ArgumentError, match="checkpoint must be the path of a folder"):
            go(tmp_path, {}, checkpoint=value)
    for value in (True, 3, b"runs", ["a"]):
        with pytest.raises(ms.DtypeError, match="resume must be the path of a folder"):
            go(tmp_path, {}, resume=value)
    for value in (0, -1, True, "1", float("nan"), float("inf")):
        with pytest.raises(ms.ArgumentError, match="checkpoint_every must be a positive number of epochs"):
            go(tmp_path, {}, checkpoint_every=value)
    with pytest.raises(ms.ArgumentError, match="checkpoint_every must be left out"):
        ms.train(net(), data(), checkpoint_every=1)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ms.OutputError, match="checkpoint"):
        go(file, {})


# ------------------------------------------------ files


def test_the_last_two_are_kept_and_drafts_of_dead_processes_go(tmp_path: Path) -> None:
    from minisgd import files

    drafts = [tmp_path / f".checkpoint-000000001.json.{files._host()}-{pid}-00ff00ff.part" for pid in (2**22 + 1, 1)]
    other = tmp_path / ".checkpoint-000000001.json.00000000-4194305-00ff00ff.part"
    for draft in (*drafts, other):
        draft.write_bytes(b"half")
    go(tmp_path, {}, checkpoint_every=0.3)
    names = sorted(path.name for path in tmp_path.iterdir())
    kept = [f"checkpoint-0000000{step}.{kind}" for step in ("09", "10") for kind in ("json", "safetensors")]
    assert names == sorted([drafts[1].name, other.name, *kept])  # of a live process, of another machine


def test_the_one_before_holds_where_the_last_is_damaged(tmp_path: Path) -> None:
    whole = go(tmp_path / "whole", {})
    for damage in ("cut", "flip", "json", "number", "gone", "other"):
        folder = tmp_path / damage
        go(folder, {}, checkpoint_every=0.3, on_progress=stop_at(10))
        last = max(folder.glob("*.safetensors"))
        content = last.read_bytes()
        if damage == "cut":
            last.write_bytes(content[:100])
        elif damage == "flip":
            last.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        elif damage == "json":
            last.with_suffix(".json").write_bytes(b"{")
        elif damage == "number":
            document = last.with_suffix(".json")
            document.write_text(document.read_text().replace('"steps": 10', '"steps": 11'))
        elif damage == "gone":
            last.unlink()
        else:
            last.write_bytes(min(folder.glob("*.safetensors")).read_bytes())
        assert digest(go(folder, {}, checkpoint_every=0.3, resume=folder), folder)
        run = go(folder, {}, checkpoint_every=0.3, resume=folder)
        np.testing.assert_array_equal(run.network.vector, whole.network.vector)


def test_another_run_in_the_same_folder_takes_it_over(tmp_path: Path) -> None:
    go(tmp_path, {}, epochs=3)
    run = go(tmp_path, {}, seed=9)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"checkpoint-0000000{run.steps}.{kind}" for kind in ("json", "safetensors")
    ]
    assert go(tmp_path, {}, seed=9, resume=tmp_path).steps == run.steps


def test_a_full_disk_is_said_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from minisgd.training import checkpoint
    from minisgd.training.keeper import CheckpointWarning

    write, full = checkpoint.write_atomically, [True, True, True]

    def writing(path: Path, content: bytes, argument: str) -> Path:
        if full and full.pop():
            raise ms.OutputError(argument, expected="writable", got="No space left on device", fix="make room")
        return write(path, content, argument)

    monkeypatch.setattr(checkpoint, "write_atomically", writing)
    with pytest.warns(CheckpointWarning, match="No space left on device.*the training run goes on") as told:
        run = go(tmp_path, {}, checkpoint_every=0.3)
    assert len(told) == 3 and run.stopped == "finished"
    assert go(tmp_path, {}, resume=tmp_path).steps == run.steps


def test_a_broken_off_update_is_never_kept(tmp_path: Path) -> None:
    class Breaks(ms.Callback):
        def on_gradient(self, training: Any, index: Any, gradient: Any) -> None:
            if training.session.steps == 4:
                raise KeyboardInterrupt

    run = go(tmp_path, {"callbacks": lambda: [Breaks()]}, checkpoint_every=0.2)
    assert run.stopped == "interrupted"
    state = json.loads(max(tmp_path.glob("*.json")).read_text())["state"]["session"]
    assert state["steps"] == 4 and state["sampler"]["left"] == 46 - 4 * 10


def test_what_cannot_be_kept_is_named(tmp_path: Path) -> None:
    class Odd(ms.Callback):
        def state(self) -> dict[str, Any]:
            return {"seen": {1, 2}}

    with pytest.raises(ms.DtypeError, match=r"state of the callbacks.0.seen must be made of numbers.* got set"):
        go(tmp_path, {"callbacks": lambda: [Odd()]})


def test_state_comes_back_as_it_was() -> None:
    state = {
        "a": [1, 2.5, float("inf"), float("-inf"), None, True, "text"],
        "b": {"c": np.arange(6, dtype=">f4").reshape(2, 3)[:, ::2], "d": np.float32(0.1), "e": np.array(3)},
    }
    tensors: dict[str, Any] = {}
    again = unpack(json.loads(json.dumps(pack(state, tensors), allow_nan=False)), tensors)
    assert again["a"] == state["a"] and again["b"]["d"] == float(np.float32(0.1)) and again["b"]["e"] == 3
    np.testing.assert_array_equal(again["b"]["c"], state["b"]["c"])
