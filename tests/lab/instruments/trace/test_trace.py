"""A trace says what a second computation says, and training does not notice it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.lab.instruments.trace import forward as trace_pass
from minisgd.lab.instruments.trace.picture import draw_trace
from minisgd.lab.instruments.trace.trace import Trace
from minisgd.nn.models import model
from minisgd.training.trace import TraceResult


@pytest.fixture(scope="module")
def digits() -> ms.Dataset:
    return ms.datasets.digits(validation=0.2).subset(300)


@pytest.fixture(scope="module")
def images() -> ms.Dataset:
    return ms.load("digits").subset(60)


def plain() -> ms.Network:
    return ms.Network(ms.Linear(16, name="first"), ms.ReLU(), ms.Linear(10))


def restless() -> ms.Network:
    return ms.Network(
        ms.Linear(16), ms.BatchNorm(), ms.ReLU(), ms.Dropout(0.3), ms.Residual(ms.Linear(16), ms.Tanh()), ms.Linear(10)
    )


# ------------------------------------------------ training does not notice


@pytest.mark.parametrize(
    ("net", "options"),
    [
        (plain, {}),
        (restless, {"optimizer": ms.Adam(lr=0.01), "clip_norm": 0.5}),
        (restless, {"batch_size": 60, "micro_batch": 25}),
        (restless, {"batch_size": ms.GrowBatch(8, 64, every=1)}),
        (plain, {"batch_size": "full", "optimizer": ms.SGD(lr=0.1, momentum=0.9)}),
        (plain, {"batch_size": 1, "epochs": 0.2}),
        (plain, {"dtype": "float64"}),
    ],
    ids=["plain", "adam and clipping", "micro-batches", "growing", "full", "one", "float64"],
)
def test_training_is_bit_for_bit_unchanged(net: Any, options: dict, digits: ms.Dataset) -> None:
    options = {"epochs": 3} | options
    watched = ms.train(net(), digits, callbacks=[Trace(every=2)], **options)
    alone = ms.train(net(), digits, **options)
    assert_array_equal(watched.network.vector, alone.network.vector)
    assert_array_equal(watched.network.statistics, alone.network.statistics)
    assert [r["train_loss"] for r in watched.history] == [r["train_loss"] for r in alone.history]


def test_a_convolutional_training_is_unchanged(images: ms.Dataset) -> None:
    watched = ms.train(model("cnn", (8, 8, 1), 10), images, callbacks=[Trace(every=1)], epochs=1)
    assert_array_equal(watched.network.vector, ms.train(model("cnn", (8, 8, 1), 10), images, epochs=1).network.vector)


# ------------------------------------------------ what it says


class Witness(ms.Callback):
    """Keep what every step started from and ended with."""

    def __init__(self) -> None:
        self.before: list[np.ndarray] = []
        self.after: list[np.ndarray] = []
        self.gradients: list[np.ndarray] = []
        self.index: list[np.ndarray] = []
        self.inside: list[dict[str, np.ndarray]] = []

    def on_gradient(self, training: Any, index: np.ndarray, gradient: np.ndarray) -> None:
        self.before.append(training.network.vector.copy())
        self.gradients.append(gradient.copy())
        self.index.append(index[0].copy())
        leaves = training.network.describe(training.network.input_shape)
        self.inside.append({leaf.path: leaf.layer.y.copy() for leaf in leaves})

    def on_step(self, training: Any) -> None:
        self.after.append(training.network.vector.copy())


def norm(rows: np.ndarray) -> float:
    return float(np.sqrt(np.square(rows.astype(np.float64)).reshape(len(rows), -1).sum(1).mean()))


@pytest.mark.parametrize("part", [256, 7], ids=["whole", "in parts"])
def test_norms_agree_with_a_second_computation(part: int, digits: ms.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_pass, "PART", part)
    trace, witness = Trace(every=3), Witness()
    # clipping comes after the gradient that is traced
    run = ms.train(plain(), digits, callbacks=[trace, witness], epochs=3, clip_norm=0.3, dtype="float64")
    found, layout = trace.result, run.network.layout
    assert found.layers == ("Linear first", "ReLU 1", "Linear 2")
    assert found.tensors == (("Linear first", "W"), ("Linear first", "b"), ("Linear 2", "W"), ("Linear 2", "b"))
    assert_array_equal(found.steps, np.arange(1, run.steps + 1, 3))
    assert found.batch_sizes[0] == 32 and 12 in found.batch_sizes
    for t, step in enumerate(found.steps - 1):
        w, g, dw = witness.before[step], witness.gradients[step], witness.after[step] - witness.before[step]
        W1, b1, W2, b2 = (segment.view(w) for segment in layout)
        z1 = digits.scale * digits.train.x[witness.index[step]].astype(float) @ W1 + b1
        y1 = np.maximum(z1, 0)
        assert_allclose(found.activation[t], [norm(z1), norm(y1), norm(y1 @ W2 + b2)], rtol=1e-12)
        assert_allclose(found.dead[t], [np.nan, (y1.max(0) == 0).mean(), np.nan])
        for norms, vector in ((found.gradients, g), (found.weights, w), (found.updates, dw)):
            assert_allclose(norms[t], [np.linalg.norm(segment.view(vector)) for segment in layout], rtol=1e-12)
        first, last = slice(0, 64 * 16 + 16), slice(64 * 16 + 16, None)
        gradient = [np.linalg.norm(g[first]), np.nan, np.linalg.norm(g[last])]
        assert_allclose(found.gradient[t], gradient, rtol=1e-12)
        ratio = [np.linalg.norm(dw[part]) / np.linalg.norm(w[part]) for part in (first, last)]
        assert_allclose(found.ratio[t][[0, 2]], ratio, rtol=1e-12)


def test_batch_statistics_and_dropout_are_those_of_training(digits: ms.Dataset) -> None:
    """Compared with what the layers of training hold: these keep their outputs for the backward pass.

    All batches are of one size and nothing is evaluated in between, so that the layers show the batch of the step.
    """
    trace, witness = Trace(every=1), Witness()
    ms.train(restless(), digits, callbacks=[trace, witness], epochs=1, batch_size=30)
    found = trace.result
    for name, path in (("ReLU 2", "2"), ("Dropout 3", "3"), ("Tanh 4.1", "4.1")):
        mine = found.activation[:, found.layers.index(name)]
        assert_allclose(mine, [norm(inside[path]) for inside in witness.inside], rtol=1e-5)


def test_micro_batches_are_normalised_apart_and_added_up(digits: ms.Dataset) -> None:
    """BatchNorm gives every unit the mean square 1 in each part, so an example's norm is √16, whatever the parts."""
    trace = Trace(every=1)
    ms.train(restless(), digits, callbacks=[trace], batch_size=60, micro_batch=25, steps=1)
    assert_allclose(trace.result.activation[0, 1], 4.0, rtol=1e-3)


def test_dead_units_are_counted() -> None:
    rng = np.random.default_rng(0)
    data = rng.normal(size=(40, 3)), np.arange(40) % 2
    net = ms.Network(ms.Linear(8, name="h"), ms.ReLU(), ms.Linear(2)).build((3,))
    net.parameters()["h.b"][:6] = -1e6
    trace = Trace(every=1)
    ms.train(net, data, callbacks=[trace], steps=3)
    assert_array_equal(trace.result.dead[:, 1], 0.75)
    assert_array_equal(trace.result.dead_units("ReLU 1"), 0.75)
    assert trace.result.dead_units("Linear h") is None


def test_a_channel_is_a_unit(images: ms.Dataset) -> None:
    net = ms.Network(ms.Conv2d(4, 3, name="c"), ms.ReLU(), ms.Flatten(), ms.Linear(10)).build((8, 8, 1))
    net.parameters()["c.b"][:] = [-1e6, 0.5, 0.5, 0.5]
    trace = Trace(every=1)
    ms.train(net, images, callbacks=[trace], steps=1)
    assert trace.result.layers == ("Conv2d c", "ReLU 1", "Linear 3")  # flattening changes nothing
    assert trace.result.dead[0, 1] == 0.25


def test_a_trace_can_be_used_again(digits: ms.Dataset) -> None:
    trace = Trace(every=1)
    ms.train(plain(), digits, callbacks=[trace], steps=5)
    ms.train(plain(), digits, callbacks=[trace], steps=2)
    assert len(trace.result) == 2


def test_an_interrupt_in_the_middle_of_a_step_leaves_whole_steps(digits: ms.Dataset) -> None:
    class Interrupt(ms.Callback):
        def on_gradient(self, training: Any, index: Any, gradient: Any) -> None:
            if training.session.steps == 3:
                raise KeyboardInterrupt

    trace = Trace(every=1)
    ms.train(plain(), digits, callbacks=[trace, Interrupt()], epochs=1)
    assert_array_equal(trace.result.steps, [1, 2, 3])


def test_zero_weights_have_no_ratio(digits: ms.Dataset, tmp_path: Path) -> None:
    net = plain().build((64,), init=ms.init.Zeros())
    trace = Trace(every=1)
    ms.train(net, digits, callbacks=[trace], steps=1)
    assert np.isnan(trace.result.ratio).all()
    line = json.loads(trace.result.save(tmp_path / "trace.jsonl").read_text())
    assert line["layers"]["Linear first"]["ratio"] is None


# ------------------------------------------------ files and pictures


def test_json_lines_come_back_as_they_were(digits: ms.Dataset, tmp_path: Path) -> None:
    trace = Trace(every=4)
    ms.train(restless(), digits, callbacks=[trace], epochs=2)
    path = trace.result.save(tmp_path / "deep" / "trace.jsonl")
    records = [json.loads(line, parse_constant=pytest.fail) for line in path.read_text().splitlines()]
    assert [r["step"] for r in records] == [1, 5, 9, 13, 17]
    first = records[0]["layers"]["Linear 0"]
    assert first.keys() == {"activation", "gradient", "update", "weight", "ratio", "dead", "tensors"}
    assert first["dead"] is None and first["tensors"].keys() == {"W", "b"}
    again = TraceResult.load(path)
    for name, value in vars(trace.result).items():
        assert_array_equal(value, getattr(again, name), name)
    assert json.loads(json.dumps(again.to_dict(), allow_nan=False))["layers"]["ReLU 2"]["dead"][0] >= 0


def test_a_picture_is_drawn(digits: ms.Dataset, images: ms.Dataset, tmp_path: Path) -> None:
    for net, data in ((restless(), digits), (model("cnn", (8, 8, 1), 10), images), (ms.Network(ms.Linear(10)), digits)):
        trace = Trace(every=1)
        ms.train(net, data, callbacks=[trace], steps=2)
        assert draw_trace(trace.result, tmp_path / "trace.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("every", [0, -1, 2.5, True, "5"])
def test_every_is_a_positive_integer(every: Any) -> None:
    with pytest.raises(ms.ArgumentError, match="every must be a positive integer"):
        Trace(every=every)


def test_before_a_training_there_is_no_result() -> None:
    with pytest.raises(ms.ArgumentError, match="trace must be taken of a training run"):
        Trace().result  # noqa: B018


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"layers": {"a": {}}}', "no JSON", "\x00"])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(ms.DataError, match="the JSON lines of a trace"):
        TraceResult.load(tmp_path / "t.jsonl")
    with pytest.raises(ms.DataError, match="the JSON lines of a trace"):
        TraceResult.load(tmp_path / "missing.jsonl")
