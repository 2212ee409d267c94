"""A trained model, written for other frameworks on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = ms.datasets.digits(validation=0.2)
    run = ms.train(ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(10)), data, epochs=1)
    run.save("runs/a")
    return run


def test_onnx_is_written(run, capsys):
    pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    assert main("export --weights runs/a --onnx model.onnx --json".split()) == 0
    assert json.loads(capsys.readouterr().out) == {"onnx": "model.onnx"}
    x = run.data.validation.x[:5]
    (y,) = runtime.InferenceSession("model.onnx").run(["y"], {"x": x.astype(np.float32)})
    assert_allclose(y, run.predict(x), rtol=1e-5, atol=1e-5)


def test_a_state_dictionary_is_written_without_pytorch(run, capsys):
    assert main("export --weights runs/a/weights.safetensors --torch out/model.safetensors".split()) == 0
    assert "load_state_dict" in capsys.readouterr().err
    back = ms.interop.from_torch(
        "out/model.safetensors", ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(10)), input_shape=(64,)
    )
    x = run.data.validation.x[:5]
    assert_allclose(back.predict(x / 16), run.network.predict(x / np.float32(16)), rtol=1e-6, atol=1e-6)


def test_a_format_is_asked_for(run, capsys):
    assert main("export --weights runs/a".split()) == 2
    assert "one of --onnx and --torch must be given" in capsys.readouterr().err
