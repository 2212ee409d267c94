"""Weights files: what they say about the network is checked before anything is built."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import save_file

import minisgd as ms
from minisgd.nn.weights import read_weights, require_single

LAYERS = (ms.Linear(3), ms.ReLU(), ms.Linear(2))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    net = ms.Network(*LAYERS).build((4,))
    net.classes = ("a", "b")
    return net.save(tmp_path / "w.safetensors")


def forged(path: Path, tensors: dict[str, np.ndarray] | None = None, **about: str) -> Path:
    own, said = read_weights(path)
    save_file(own | (tensors or {}), path, said | about)
    return path


def test_halves_become_float32(path: Path) -> None:
    tensors, about = read_weights(path)
    save_file({name: tensor.astype(np.float16) for name, tensor in tensors.items()}, path, about)
    net = ms.Network(*LAYERS).load(path)
    assert net.dtype == "float32"
    assert_array_equal(net.parameters()["0.W"], tensors["0.W"].astype(np.float16))


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"input_shape": "[1000000, 1000]"}, r"0.W must be of shape \(1000, 3\), got \(4, 3\)"),
        ({"input_shape": "[1000000000]"}, r"0.W must be of shape \(1000000000, 3\), got \(4, 3\)"),
        ({"input_shape": "[4, 0]"}, r"input_shape must be the shape of one example, got \[4, 0\]"),
        ({"input_shape": "[4.0]"}, "input_shape must be"),
        ({"input_shape": "[true]"}, "input_shape must be"),
        ({"input_shape": "4"}, "input_shape must be"),
        ({"input_shape": "[]"}, "input_shape must be"),
        ({"input_shape": "[4"}, r"input_shape must be .*got \[4;"),
        ({"input_shape": "[" * 100_000}, "input_shape must be"),
        ({"input_scale": "NaN"}, "input_scale must be a positive number, got NaN"),
        ({"input_scale": "-1.0"}, "input_scale must be"),
        ({"input_scale": "1e999"}, "input_scale must be"),
        ({"input_scale": "9" * 400}, "input_scale must be"),
        ({"input_scale": '"1"'}, "input_scale must be"),
        ({"classes": '["a", "a"]'}, "classes must be at most 2 names, each once"),
        ({"classes": '["a", 1]'}, "classes must be"),
        ({"classes": '["a", "b", "c"]'}, "classes must be"),
        ({"classes": "5"}, "classes must be"),
        ({"output_scale": "[[0.0], [1.0]]"}, "output_scale must be means and standard deviations of 2 outputs"),
        ({"output_scale": "[[0.0, 0.0], [1.0, 0.0]]"}, "output_scale must be"),
        ({"output_scale": "[[0.0, NaN], [1.0, 1.0]]"}, "output_scale must be"),
        ({"output_scale": '{"a": 1}'}, "output_scale must be"),
    ],
)  # fmt: skip
def test_forged_metadata(path: Path, about: dict[str, str], message: str) -> None:
    with pytest.raises(ms.CheckpointError, match=f"weights file .*{message}"):
        ms.Network(*LAYERS).load(forged(path, **about))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((4, 3), np.nan, np.float32), "0.W must be finite everywhere, got 12 of 12 values like nan"),
        (np.array([[np.inf] * 3] + [[0] * 3] * 3, np.float32), "3 of 12 values like inf; load weights from before"),
        (np.zeros((4, 3), np.int64), "0.W must be an array of floats, got dtype int64"),
        (np.zeros((3, 4), np.float32), r"0.W must be of shape \(4, 3\), got \(3, 4\)"),
        (np.zeros((12,), np.float32), "of shape"),
    ],
)
def test_forged_tensors(path: Path, values: np.ndarray, message: str) -> None:
    with pytest.raises(ms.CheckpointError, match=message):
        ms.Network(*LAYERS).load(forged(path, {"0.W": values}))


def test_an_input_that_the_layers_do_not_take(tmp_path: Path) -> None:
    net = ms.Network(ms.Conv2d(2, 3), ms.GlobalAvgPool2d(), ms.Linear(2))
    path = net.copy().build((6, 6, 1)).save(tmp_path / "w.safetensors")
    with pytest.raises(ms.CheckpointError, match="input_shape must be"):
        net.load(forged(path, input_shape="[6]"))
    assert net.load(forged(path, input_shape=json.dumps([9, 9, 1]))).input_shape == (9, 9, 1)


@pytest.mark.parametrize("replicas", [1, 3])
def test_a_stack_of_replicas_comes_back_as_one(tmp_path: Path, replicas: int) -> None:
    stack = ms.Network(ms.Linear(3), ms.BatchNorm(), ms.Linear(2)).build((4,), seeds=range(replicas), dtype="float64")
    file = stack.save(tmp_path / "w.safetensors")
    again = stack.load(file)
    assert again.lead == (replicas,)
    assert_array_equal(again.vector, stack.vector)
    assert_array_equal(again.statistics, stack.statistics)
    assert_array_equal(again.replica(0).parameters()["0.W"], stack.parameters()["0.W"][0])


def test_half_a_stack_is_refused(tmp_path: Path) -> None:
    file = ms.Network(*LAYERS).build((4,), seeds=[0, 1]).save(tmp_path / "w.safetensors")
    forged(file, {"2.b": np.zeros(2, np.float32)})
    with pytest.raises(ms.CheckpointError, match=r"2\.b must be of shape \(2, 2\), got \(2,\)"):
        ms.Network(*LAYERS).load(file)


def test_where_one_network_is_asked_for_a_stack_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = ms.Network(*LAYERS).build((64,), seeds=[0, 1]).save(tmp_path / "w.safetensors")
    with pytest.raises(ms.CheckpointError, match=r"got those of a stack of 2 replicas; .*stack\.replica\(0\)\.save"):
        require_single(ms.Network(*LAYERS).load(file), str(file))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ms.CheckpointError, match="a readable safetensors file, got a folder"):
        ms.Network(*LAYERS).load(tmp_path)
