"""What results look like in a terminal and in a notebook."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import numpy as np
import pytest

import minisgd as ms
from minisgd.tables import Table, curves


@pytest.fixture(scope="module")
def run():
    return ms.train(ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(10)), ms.datasets.digits(validation=0.2), epochs=3)


def shown(thing):
    """Return the HTML of a result, which must be well formed."""
    html = thing._repr_html_()
    ElementTree.fromstring(f"<div>{html}</div>")
    return html


def test_a_table_is_text_and_html():
    table = Table(("layer", "n"), [("a<b", "1"), ("c", "23")], "title", ["a note"])
    assert str(table) == "title\nlayer   n\na<b     1\nc      23\na note"
    assert "a&lt;b" in shown(table) and "<caption>title</caption>" in shown(table)


def test_curves_are_a_picture_without_matplotlib():
    html = curves({"a": [(0, 1), (1, math.inf), (2, 3)], "b": [(0, 2)]}, "x & y", "")
    picture = ElementTree.fromstring(html)
    (line,) = picture.iter("polyline")
    assert len(line.get("points").split()) == 2
    assert curves({"a": [(1, 5)]}, "", "") == "" and curves({"a": [(1, 5), (2, 5)]}, "", "")
    assert "1e+03" in curves({"a": [(1, 10), (1000, 100), (0, 3)]}, "", "", logarithmic=True)


def test_a_network_is_summarised(run):
    text = str(run.network.summary())
    assert "0  Linear" in text and f"{64 * 8 + 8:,}" in text and text.splitlines()[-1].endswith("610")
    assert str(ms.Network(ms.Linear(3)).summary((4,))).splitlines()[-1].endswith("15")
    with pytest.raises(ms.ArgumentError, match=r"net.summary\(\(64,\)\)"):
        ms.Network(ms.Linear(3)).summary()
    assert "Linear(3)" in shown(ms.Network(ms.Linear(3)))


def test_results_show_themselves(run):
    for result in (run, run.network, run.history, ms.explain(run.network), ms.memory_plan(run.network, (64,), 32)):
        assert shown(result)
    assert "<polyline" in shown(run) and "val_accuracy" in str(run)


def test_instruments_show_the_picture_that_says_most(run):
    net, data = run.network, run.data
    assert "activations" in shown(ms.memory_plan(net, (64,), 32)) and "<rect" in shown(ms.memory_plan(net, (64,), 32))
    assert "backward: Linear 0" in shown(ms.explain(net)) and "FLOPs" in ms.explain(net).picture()
    assert "b_simple" in shown(noise := ms.gradient_noise(net, data)) and "<polyline" in noise.picture()
    assert "2/λmax" in shown(ms.sharpness(net, data, examples=64, lr=0.1))
    assert ms.sharpness(net, data, examples=64).picture() == ""
    norms = ms.per_example_norms(net, data.train.x[:50] / np.float32(16), data.train.y[:50])
    others = ms.loss_line(net, data, to=net.copy().build((64,)), points=5), ms.gsnr(net, data)
    for result in (norms, *others):
        assert "<svg" in shown(result)


def test_trackers_show_what_they_followed():
    trackers = ms.NoiseTracker(every=5), ms.SharpnessTracker(every=20, examples=50)
    assert "0 samples" in shown(trackers[0])
    ms.train(ms.Network(ms.Linear(10)), ms.datasets.digits(validation=0.2), epochs=1, callbacks=trackers)
    for tracker in trackers:
        assert "<polyline" in shown(tracker)


def test_a_plane_is_drawn_where_matplotlib_is(run, monkeypatch):
    plane = ms.loss_plane(run.network, run.data, points=3)
    assert "data:image/png" in shown(plane)
    monkeypatch.setattr("minisgd.lab.instruments.landscape.plane.find_spec", lambda name: None)
    assert plane.picture() == "" and shown(plane)


def test_a_study_shows_its_table_its_picture_and_its_answer():
    data = ms.datasets.digits(validation=0.2).subset(400)
    found = ms.study(
        ms.Network(ms.Linear(10)), data, batch_sizes=[16, 64], learning_rates=[0.1, 0.3], seeds=2, target_accuracy=0.8
    )  # fmt: skip
    assert "batch size" in str(found) and "Use batch size" in str(found)
    assert shown(found) == shown(found.result)


def test_a_history_is_drawn_and_becomes_a_frame(run):
    pytest.importorskip("matplotlib")
    first, second = run.history.plot().axes
    assert [line.get_label() for line in first.get_lines()] == ["train_loss", "val_loss"]
    assert [line.get_label() for line in second.get_lines()] == ["val_accuracy"]
    assert list(second.get_lines()[0].get_ydata()) == run.history["val_accuracy"]
    assert ms.History().plot().axes
    frame = pytest.importorskip("pandas") and run.history.to_pandas()
    assert list(frame["val_loss"]) == run.history["val_loss"] and len(frame) == 3
    assert np.isfinite(frame["train_loss"]).all()


@pytest.mark.parametrize(("name", "method"), [("matplotlib", "plot"), ("pandas", "to_pandas")])
def test_what_is_missing_is_named(run, name, method, monkeypatch):
    import sys

    for module in [name, "matplotlib.figure"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ms.MissingExtraError, match=f"no {name}; pip install 'minisgd"):
        getattr(run.history, method)()
