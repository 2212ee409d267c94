"""Safetensors files that others wrote: each sound, or refused by name."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import load_file

import minisgd as ms
from minisgd.errors import CheckpointError
from minisgd.nn.tensor_file import read_tensors


def write(path: Path, header: Any, values: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + values)
    return path


def tensor(dtype: str, size: int, shape: tuple[int, ...] = (1,), start: int = 0) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, start + size]}


def test_halves_of_both_kinds_are_read(tmp_path: Path) -> None:
    values = np.array([1.5, -2.0, 0.1, np.inf], np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2")
    header = {"a": tensor("BF16", 8, (2, 2), 8), "b": tensor("F16", 8, (4,)), "__metadata__": {"format": "pt"}}
    path = write(tmp_path / "w.safetensors", header, values.astype("<f2").tobytes() + upper.tobytes())
    tensors, metadata = read_tensors(path, "file")
    assert_array_equal(tensors["b"], values.astype(np.float16))
    assert_array_equal(tensors["a"].ravel(), (upper.astype(np.uint32) << 16).view(np.float32))
    assert tensors["a"].dtype == np.float32 and abs(tensors["a"][1, 0] - 0.1) < 1e-3 and metadata == {"format": "pt"}


@pytest.mark.parametrize(
    ("header", "values", "message"),
    [
        ({"0.W": tensor("F8_E4M3", 1)}, 1, r"file: 0.W must be of F64, F32, F16 or BF16, got F8_E4M3; convert it"),
        ({"0.W": tensor("F8_E5M2", 1)}, 1, "got F8_E5M2"),
        ({"0.W": tensor("C64", 8)}, 8, "got C64"),
        (b'{"a":%b,"a":%b}' % ((json.dumps(tensor("F32", 4)).encode(),) * 2), 4, "everything once, got 'a' twice"),
        (b'{"__metadata__":{"k":"1","k":"2"}}', 0, "got 'k' twice"),
        ({"a": tensor("F32", 4), "b": tensor("F32", 4)}, 4, "invalid offset"),
        ({"a": tensor("F32", 4)}, 8, "not fully covered"),
        ({"a": tensor("F32", 4)}, 3, "incomplete|not fully covered"),
        ({"a": tensor("F32", 4, start=4)}, 8, "invalid offset"),
        ({"a": tensor("F32", 4, (2**62, 2))}, 4, "overflow"),
        ({"a": tensor("F32", 4, (10**6, 10**6))}, 4, "readable safetensors file"),
        ({"a": tensor("F64", 4)}, 4, "readable safetensors file"),
        ({"__metadata__": {"a": 1}}, 0, "expected a string"),
        (b"[" * 9999, 0, "invalid JSON"),
        (b"\xff\xfe", 0, "readable safetensors file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, header: Any, values: int, message: str) -> None:
    path = write(tmp_path / "w.safetensors", header, bytes(values))
    with pytest.raises(CheckpointError, match=message):
        read_tensors(path, "file")


@pytest.mark.parametrize("length", [0, 2**40, 2**63, 2**64 - 1])
def test_forged_lengths(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / "w.safetensors", {"a": tensor("F32", 4)}, bytes(4), length)
    with pytest.raises(CheckpointError, match="readable safetensors file"):
        read_tensors(path, "file")


def test_a_file_without_tensors(tmp_path: Path) -> None:
    assert read_tensors(write(tmp_path / "w.safetensors", {}), "file") == ({}, {})


def test_the_same_weights_make_the_same_file(tmp_path: Path) -> None:
    net = ms.Network(ms.Linear(3, name="ä"), ms.BatchNorm()).build((4,))
    files = {net.save(tmp_path / f"{k}.safetensors").read_bytes() for k in range(4)}
    assert len(files) == 1
    assert load_file(tmp_path / "0.safetensors").keys() == net.to_numpy().keys()
