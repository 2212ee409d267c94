"""A trained model as an ONNX file: preprocessing, network, units and probabilities in one graph."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from minisgd.data.preprocessing import Preprocessing
from minisgd.data.tables.encoding import Encoding
from minisgd.data.tables.rules import Rule
from minisgd.data.tables.text_column import TextEncoding
from minisgd.errors import missing_extra
from minisgd.files import write_atomically
from minisgd.interop.graph import IR, OPSET, Graph, Value
from minisgd.interop.model import Model, parts_of
from minisgd.interop.onnx_layers import chain
from minisgd.nn import Network


def to_onnx(model: Model, path: str | Path) -> Path:
    """Write a trained model as an ONNX file of opset 19, which answers raw examples in float32.

    Its output ``y`` (N, …) is what ``model.predict`` returns; ``probabilities`` (N, C), where there are classes, what
    ``predict_proba`` does. Its input ``x`` (N, …) is raw examples in float32, images (N, H, W, C). A model of a table
    takes the columns as they are: ``x`` (N, K) the numbers in float64, dates as days since 1970, NaN where one is
    missing, and ``text`` (N, K′) the categories, empty where one is missing; the names of the columns stand in the
    metadata of the file. A model of text takes the features of its lexicon, ``model.preprocessing.inputs(raw)``: no
    graph cuts text into words, so the lexicon stands in the metadata as JSON.

    Args:
        model: What was trained, a fitted estimator among it, or a network alone, which takes what it reads.
        path: The file.

    Returns:
        The path.

    Raises:
        MissingExtraError: Without the package onnx.
        ArgumentError: For a network without weights, a stack of replicas, or a layer that has no form in ONNX.
        OutputError: If the file cannot be written.
    """
    with missing_extra("onnx", expected="installed", got="no such package", fix="pip install 'minisgd[onnx]'"):
        from onnx import TensorProto, checker, helper

    network, about = parts_of(model)
    assert network.input_shape is not None
    g, columns, x = Graph(), dict[str, list[str]](), "x"
    if about is not None and isinstance(about.encoding, Encoding):
        columns = _columns(about.encoding)
        x = _encoded(g, about.encoding, columns)
    elif about is not None and about.encoding is None:
        x = _scaled(g, about)
    arrays = {name: array.astype(np.float32) for name, array in network.to_numpy().items()}
    logits = chain(g, network, x, (1, *network.input_shape), arrays, "")
    outputs = {"y": _in_units(g, network, logits)}
    shape = network.output_shape
    if about is not None and about.task != "regression":
        operator = ("Sigmoid", {}) if about.task == "multilabel" else ("Softmax", {"axis": -1})
        outputs["probabilities"] = g.add(operator[0], logits, **operator[1])
    elif about is not None and about.scalar and shape == (1,):
        outputs["y"], shape = g.reshape(outputs["y"]), ()

    kinds = {"x": TensorProto.DOUBLE, "text": TensorProto.STRING}
    inputs = [helper.make_tensor_value_info(name, kinds[name], ["N", len(columns[name])]) for name in columns]
    if not inputs:
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *network.input_shape])]
    answers = [
        helper.make_tensor_value_info(g.renamed(value, name), TensorProto.FLOAT, ["N", *shape])
        for name, value in outputs.items()
    ]
    made = helper.make_model(
        helper.make_graph(g.nodes, "minisgd", inputs, answers, g.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="minisgd",
    )
    names: dict[str, object] = {f"columns of {name}": chosen for name, chosen in columns.items()}
    names |= {"classes": list(about.classes)} if about is not None and about.classes else {}
    if about is not None and isinstance(about.encoding, TextEncoding):
        names["lexicon of x"] = about.encoding.to_dict()
    helper.set_model_props(made, {name: json.dumps(chosen) for name, chosen in names.items()})
    checker.check_model(made, full_check=True)
    return write_atomically(path, made.SerializeToString(), "path")


def _scaled(g: Graph, about: Preprocessing) -> Value:
    """Standardize raw features in float64, as they were for training; or scale bytes."""
    if about.standardization is not None:
        mean, std = about.standardization.mean, about.standardization.std
        return g.cast(g.add("Div", g.add("Sub", g.cast("x", "float64"), mean), std), "float32")
    return "x" if about.scale == 1 else g.add("Mul", "x", about.scale)


def _in_units(g: Graph, network: Network, y: Value) -> Value:
    """Give predictions back in the units of the targets, where these were standardized."""
    if network.output_scale is None:
        return y
    mean, std = network.output_scale
    return g.cast(g.add("Add", g.add("Mul", g.cast(y, "float64"), std), mean), "float32")


# ------------------------------------------------ tables


def _columns(encoding: Encoding) -> dict[str, list[str]]:
    """Return the columns of each input: numbers, and text."""
    text = [rule.column for rule in encoding.rules if rule.kind == "category"]
    numbers = [rule.column for rule in encoding.rules if rule.kind != "category"]
    return {name: columns for name, columns in (("x", numbers), ("text", text)) if columns}


def _encoded(g: Graph, encoding: Encoding, columns: dict[str, list[str]]) -> Value:
    """Turn the columns of a table (N, K) and (N, K′) into features (N, F)."""
    features = []
    for rule in encoding.rules:
        name = "text" if rule.kind == "category" else "x"
        column = g.add("Gather", name, np.array([columns[name].index(rule.column)]), axis=1)  # (N, 1)
        features += _levels(g, rule, column) if rule.kind == "category" else _numbers(g, rule, column)
    return g.add("Concat", *features, axis=1)


def _numbers(g: Graph, rule: Rule, v: Value) -> list[Value]:
    """(v − shift) / scale, and whether v is missing.  v (N, 1) float64"""
    missing = g.add("IsNaN", v)
    filled = g.add("Where", missing, np.float64(rule.fill), v)
    scaled = g.add("Div", g.add("Sub", filled, np.float64(rule.shift)), np.float64(rule.scale))
    return [g.cast(scaled, "float32"), *([g.cast(missing, "float32")] if rule.indicator else [])]


def _levels(g: Graph, rule: Rule, v: Value) -> list[Value]:
    """[v = level] for every level, [v = none of them], and whether v is missing.  v (N, 1) text"""
    features = [g.cast(g.add("Equal", v, np.array([rule.levels], object)), "float32")]  # (N, L)
    missing = g.cast(g.add("Equal", v, np.array([[""]], object)), "float32")
    if rule.other:
        known = g.add("ReduceSum", g.add("Concat", features[0], missing, axis=1), np.array([1]), keepdims=1)
        features.append(g.add("Sub", 1.0, known))
    return features + [missing] * rule.indicator
