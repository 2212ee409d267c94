"""``explain`` beside a run: the norms of a traced training stand at the lines that finish the arrays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.nn.models import model
from minisgd.training.explain.explanation import Explanation, Line
from minisgd.training.trace import TraceResult


@pytest.fixture(scope="module")
def digits() -> ms.Dataset:
    return ms.load("digits").subset(200)


def traced(name: str, data: ms.Dataset, **options: object) -> tuple[ms.Network, TraceResult]:
    net, trace = model(name, data.input_shape, 10), ms.Trace(every=2)
    ms.train(net, data, callbacks=[trace], epochs=2, **options)  # type: ignore[arg-type]
    return net, trace.result


def beside(explanation: Explanation, layer: str, array: str) -> Line:
    """Return the one line of a layer that carries the norm of an array."""
    lines = [line for line in explanation.lines if line.layer == layer and line.formula.startswith(array)]
    (found,) = (line for line in lines if line.norm is not None)
    assert found is lines[-1]  # where the array is finished
    return found


def test_every_finished_array_has_its_norm(digits: ms.Dataset) -> None:
    net, trace = traced("mlp:16,8", digits)
    found = ms.explain(net, 32, trace=trace)
    assert found.traced == (1, 13)
    for k, layer in enumerate(trace.layers):
        line = beside(found, layer, "y")
        assert line.phase == "forward"
        assert_allclose(line.norm, trace.activation[[0, -1], k])
        masks = [line for line in found.lines if line.layer == layer and line.dead is not None]
        assert [mask.formula for mask in masks] == (["mask = [y > 0]"] if layer.startswith("ReLU") else [])
        assert all(mask.dead == tuple(trace.dead[[0, -1], k]) for mask in masks)
    for s, (layer, name) in enumerate(trace.tensors):
        line = beside(found, layer, f"d{name}")
        assert line.phase == "backward"
        assert_allclose(line.norm, trace.gradients[[0, -1], s])
    line = beside(found, "SGD", "w")
    assert_allclose(line.norm, trace.step_norm[[0, -1]])
    assert_allclose(line.ratio, trace.step_ratio[[0, -1]])
    lines = [line for line in found.lines if line.norm is not None]
    assert len(lines) == len(trace.layers) + len(trace.tensors) + 1


@pytest.mark.parametrize("name", ["mlp-bn:16", "cnn"])
def test_layers_of_many_lines_have_one_norm_an_array(name: str, digits: ms.Dataset) -> None:
    net, trace = traced(name, digits, optimizer=ms.Adam(lr=0.01))
    found = ms.explain(net, 32, optimizer=ms.Adam(lr=0.01), trace=trace)
    for layer in trace.layers:
        beside(found, layer, "y")
    for layer, tensor in trace.tensors:
        beside(found, layer, f"d{tensor}")


def test_the_text_and_the_document_have_the_norms(digits: ms.Dataset) -> None:
    net, trace = traced("mlp:16", digits)
    found = ms.explain(net, 32, trace=trace, time=True)
    text = str(found)
    assert "in training: norms at step 1 → 13" in text and "dead" in text and "of w" in text
    header, *rows = found.rows()
    assert header[-2:] == ("µs", "in training") and {len(row) for row in rows} <= {1, len(header)}
    document = json.loads(found.to_json())
    assert document["traced"] == [1, 13]
    assert sum(line["norm"] is not None for line in document["lines"]) == 8
    assert "training" not in str(ms.explain(net, 32)).splitlines()[3]


def test_a_trace_of_another_network_is_refused(digits: ms.Dataset, tmp_path: Path) -> None:
    net, trace = traced("mlp:16", digits)
    with pytest.raises(
        ms.ArgumentError, match="trace must be of this network, whose layers are .* got one with Linear"
    ):
        ms.explain(model("linear", (8, 8, 1), 10), 32, input_shape=(8, 8, 1), trace=trace)
    with pytest.raises(ms.ArgumentError, match="pass trace.result"):
        ms.explain(net, 32, trace=ms.Trace())  # type: ignore[arg-type]
