"""What ONNX Runtime answers is what minisgd answers, for every layer and every kind of preprocessing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.interop.onnx_layers import NODES
from minisgd.nn.layers.frozen import FrozenBatchNorm, Identity
from minisgd.nn.sequential import Sequential
from tests.nn.layer_tables import CASES, LAYERS, shape_of

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def answers(path, **inputs):
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def assert_agree(got, expected):
    assert got.shape == expected.shape
    assert_allclose(got, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


def stirred(net, rng):
    """Return the network with weights, means and variances that are none of those it began with."""
    for name, array in (net.parameters() | net.running_statistics()).items():
        array[...] = rng.uniform(0.5, 1.5, array.shape) if "running_" in name else rng.normal(0, 0.5, array.shape)
    return net


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_layer_agrees(name, kind, tmp_path):
    rng = np.random.default_rng(len(name))
    shape = shape_of(kind, rng)
    net = stirred(ms.Network(LAYERS[name].make(shape)).build(shape), rng)
    x = LAYERS[name].draw(rng, (7, *shape)).astype(np.float32)
    path = ms.interop.to_onnx(net, tmp_path / "net.onnx")
    assert_agree(answers(path, x=x)["y"], net.predict(x))
    assert [(each.domain, each.version) for each in onnx.load(path).opset_import] == [("", 19)]


@pytest.mark.parametrize("causal", [False, True])
def test_padding_is_not_read(causal, tmp_path):
    parts = [ms.Embedding(7, 8, padding=0), ms.TransformerBlock(8, 2, causal=causal, padding=True)]
    net = stirred(ms.Network(*parts).build((6,)), np.random.default_rng(0))
    x = np.array([[1, 2, 3, 4, 5, 6], [0, 0, 2, 6, 1, 0], [0, 0, 0, 0, 0, 0]], np.float32)
    assert_agree(answers(ms.interop.to_onnx(net, tmp_path / "net.onnx"), x=x)["y"], net.predict(x))


def test_no_row_is_missing():
    kinds = {type(row.make((3, 3, 2))) for row in LAYERS.values()}
    assert {kind for kind in kinds if not issubclass(kind, Sequential)} == set(NODES) - {FrozenBatchNorm, Identity}


def test_a_layer_of_ones_own_is_refused_by_name(tmp_path):
    class Swish(ms.SiLU):
        """Somebody's own layer."""

    net = ms.Network(ms.Linear(3), ms.Residual(Swish(name="bend"))).build((2,))
    with pytest.raises(ms.ArgumentError, match=r"layer 1\.bend must be one with a form in ONNX.* got Swish 'bend'"):
        ms.interop.to_onnx(net, tmp_path / "net.onnx")


def test_weights_are_needed_and_replicas_refused(tmp_path):
    with pytest.raises(ms.ArgumentError, match="built"):
        ms.interop.to_onnx(ms.Network(ms.Linear(2)), tmp_path / "net.onnx")
    with pytest.raises(ms.ArgumentError, match=r"got 2 replicas; .*network\.replica\(0\)"):
        ms.interop.to_onnx(ms.Network(ms.Linear(2)).build((3,), seeds=[0, 1]), tmp_path / "net.onnx")


def test_an_estimator_is_written_and_anything_else_refused(tmp_path):
    pytest.importorskip("sklearn")
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    fitted = ms.MinisgdClassifier((4,)).partial_fit(x, np.where(x[:, 0] > 0, "a", "b"), classes=["a", "b"])
    found = answers(ms.interop.to_onnx(fitted, tmp_path / "net.onnx"), x=x)
    assert_agree(found["probabilities"], fitted.predict_proba(x))
    with pytest.raises(ms.DtypeError, match="model must be a run, a model or an ms.Network, got str"):
        ms.interop.to_onnx("net", tmp_path / "net.onnx")


def test_bytes_are_scaled_and_probabilities_given(tmp_path):
    data = ms.datasets.digits(validation=0.2, images=True)
    run = ms.train(ms.Network(ms.Conv2d(4, 3), ms.BatchNorm(), ms.ReLU(), ms.Flatten(), ms.Linear(10)), data, epochs=1)
    x = data.validation.x[:9]
    found = answers(ms.interop.to_onnx(run, tmp_path / "digits.onnx"), x=x.astype(np.float32))
    assert_agree(found["y"], run.predict(x))
    assert_agree(found["probabilities"], run.predict_proba(x))


def test_a_table_is_read_as_it_is(tmp_path):
    rng = np.random.default_rng(0)
    size, city = 2e4 + rng.normal(0, 9, 200), rng.choice(["Graz", "Linz", "Wien"], 200)
    frame = {
        "size": [None if k % 9 == 0 else float(v) for k, v in enumerate(size)],
        "city": [None if k % 11 == 0 else str(v) for k, v in enumerate(city)],
        "old": [bool(k % 2) for k in range(200)],
        "price": list(size * 3 + (city == "Wien") * 50),
    }
    run = ms.train(ms.Network(ms.Linear(8), ms.Tanh(), ms.Linear(1)), ms.load(frame), epochs=5)
    raw = {"size": [20000.5, None, 19999.25], "city": ["Graz", "Paris", None], "old": [True, False, False]}
    path = ms.interop.to_onnx(run, tmp_path / "table.onnx")
    said = {each.key: each.value for each in onnx.load(path).metadata_props}
    assert said == {"columns of x": '["size", "old"]', "columns of text": '["city"]'}
    x = np.array([[20000.5, 1], [np.nan, 0], [19999.25, 0]])
    assert_agree(answers(path, x=x, text=np.array([["Graz"], ["Paris"], [""]], object))["y"], run.predict(raw))


def test_several_labels_and_standardized_features(tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(1e3, 2, (60, 3)).astype(np.float32)
    y = (x[:, :2] > 1e3).astype(np.float32)
    data = ms.Dataset.from_arrays(x, y, task="multilabel").standardized()
    run = ms.train(ms.Network(ms.Linear(4), ms.ReLU(), ms.Linear(2)), data, epochs=2)
    found = answers(ms.interop.to_onnx(run, tmp_path / "labels.onnx"), x=x)
    assert_agree(found["y"], run.predict(x))
    assert_agree(found["probabilities"], run.predict_proba(x))


def test_a_model_of_text_takes_the_features_of_its_lexicon(tmp_path):
    texts = ["good and kind", "bad and cold", "kind people", "cold people"] * 10
    data = ms.load({"says": texts, "mood": ["up", "down"] * 20}, target="mood", text="says")
    model = ms.train(ms.Network(ms.Linear(2)), data, epochs=2).model
    x = model.preprocessing.inputs({"says": texts[:4]})
    x = x if isinstance(x, np.ndarray) else x.toarray()
    found = answers(ms.interop.to_onnx(model, tmp_path / "text.onnx"), x=x)
    assert_agree(found["probabilities"], model.predict_proba({"says": texts[:4]}))
    said = {each.key: json.loads(each.value) for each in onnx.load(tmp_path / "text.onnx").metadata_props}
    lexicon = ms.text.Lexicon.from_dict(said["lexicon of x"]["lexicon"])
    assert_agree(lexicon.apply(texts[:4]), x)
