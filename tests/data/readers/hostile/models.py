"""Hostile weights files, for a network of Linear(2) on 3 features."""

from __future__ import annotations

import json
import struct
from typing import Any

from tests.data.readers.hostile.arrays import Cases

PREPROCESSING: dict[str, Any] = {
    "version": 1, "task": "classification", "input_shape": [3], "scalar": True, "scale": 1.0, "classes": ["a", "b"],
    "labels": "text", "standardization": None, "encoding": None, "columns": [], "targets": [], "outputs": 2,
}  # fmt: skip
ARRAYS = bytes(range(32))
"""Values of the tensors, all of them finite."""
TENSORS = {"0.W": ([3, 2], "F32", 24), "0.b": ([2], "F32", 8)}


def model(
    header: dict[str, Any] | bytes | None = None, values: bytes = bytes(32), length: int | None = None, **about: Any
) -> bytes:
    if header is None:
        header, start = {}, 0
        for name, (shape, dtype, size) in TENSORS.items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, start + size]}
            start += size
    if isinstance(header, dict):
        said = {"input_shape": "[3]", "preprocessing": json.dumps(PREPROCESSING)} | about
        header = json.dumps({"__metadata__": said} | header).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + values


def one(name: str = "0.W", shape: Any = (3, 2), dtype: str = "F32", start: int = 0, stop: int = 24) -> dict[str, Any]:
    return {name: {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}}


def _both(**changes: Any) -> dict[str, Any]:
    return one(**changes) | one("0.b", [2], "F32", 24, 32)


def preprocessing(**changes: Any) -> bytes:
    return model(preprocessing=json.dumps(PREPROCESSING | changes))


def weights_cases() -> Cases:
    text = json.dumps(one()).encode()
    rule = {"column": "a", "kind": "number"}
    return {
        "nothing": (b"", "a readable safetensors file"),
        "seven bytes": (bytes(7), ""),
        "a pickle": (b"\x80\x04\x95" + bytes(60), ""),
        "zeros": (bytes(100), ""),
        "a header of 16 EiB": (model(length=2**64 - 1), ""),
        "a header of 8 EiB": (model(length=2**63), ""),
        "a header of 90 MB": (model(length=90_000_000), ""),
        "a header of no length": (model(length=0), ""),
        "a header of brackets": (model(b"[" * 50_000), ""),
        "a header of braces": (model(b'{"a":' * 50_000), ""),
        "a header that is no text": (model(b"\xff" * 50), ""),
        "a header that is a number": (model(b"12345678"), ""),
        "metadata of numbers": (model(b'{"__metadata__":{"a":1}}'), ""),
        "metadata that is a list": (model(b'{"__metadata__":[]}'), ""),
        "metadata twice": (model(b'{"__metadata__":{"a":"1"},"__metadata__":{"a":"2"}}', b""), ""),
        "one thing twice in the metadata": (model(b'{"__metadata__":{"a":"1","a":"2"}}', b""), "'a' twice"),
        "one tensor twice": (model(text[:-1] + b"," + text[1:], bytes(24)), "'0.W' twice"),
        "values that end early": (model(values=bytes(31)), ""),
        "values that go on": (model(values=bytes(33)), ""),
        "no values": (model(values=b""), ""),
        "tensors that overlap": (model(one() | one("0.b", [2], "F32", 20, 28), bytes(28)), ""),
        "tensors in one place": (model(one() | one("0.b", [3, 2], "F32", 0, 24), bytes(24)), ""),
        "a gap between tensors": (model(one() | one("0.b", [2], "F32", 28, 36), bytes(36)), ""),
        "an offset beyond the end": (model(one(start=10**12, stop=10**12 + 24)), ""),
        "offsets backwards": (model(one(start=24, stop=0)), ""),
        "offsets beyond 64 bits": (model(one(stop=2**70)), ""),
        "negative offsets": (model(one(start=-24, stop=0)), ""),
        "offsets of fractions": (model(one(stop=24.5)), ""),
        "a shape of terabytes": (model(_both(shape=[10**6, 10**6])), ""),
        "a shape that wraps": (model(_both(shape=[2**62, 4, 6])), ""),
        "a negative shape": (model(_both(shape=[-3, -2])), ""),
        "a shape of nothing": (model(one(shape=[0, 10**9], stop=0), b""), ""),
        "a shape of another rank": (model(_both(shape=[6])), "0.W must be of shape (3, 2), got (6,)"),
        "a shape turned": (model(_both(shape=[2, 3])), "0.W must be of shape (3, 2), got (2, 3)"),
        "eight-bit floats": (model(_both(shape=[24], dtype="F8_E4M3")), "got F8_E4M3"),
        "other eight-bit floats": (model(_both(shape=[24], dtype="F8_E5M2")), "got F8_E5M2"),
        "scales of eight bits": (model(_both(shape=[24], dtype="F8_E8M0")), "F8_E8M0"),
        "complex numbers": (model(_both(shape=[3], dtype="C64")), "got C64"),
        "integers": (model(_both(dtype="I32")), "0.W must be an array of floats, got dtype int32"),
        "bytes": (model(_both(shape=[24], dtype="U8")), "0.W must be of shape"),
        "truth": (model(_both(shape=[24], dtype="BOOL")), "0.W must be of shape"),
        "an unknown dtype": (model(_both(dtype="F7")), ""),
        "a dtype in lower case": (model(_both(dtype="f32")), ""),
        "not a number": (model(values=b"\xff" * 24 + bytes(8)), "0.W must be finite everywhere, got 6 of 6"),
        "infinity": (model(values=bytes(24) + b"\0\0\x80\x7f" * 2), "0.b must be finite everywhere, got 2 of 2"),
        "no tensors": (model({}, b""), "no 0.W, 0.b"),
        "a tensor less": (model(one(), bytes(24)), "no 0.b"),
        "a tensor more": (model(_both() | one("1.W", [2], "F32", 32, 40), bytes(40)), "unknown 1.W"),
        "a tensor of another name": (model(one() | one("0.c", [2], "F32", 24, 32)), "no 0.b and unknown 0.c"),
        "an input of a million by a thousand": (model(input_shape="[1000000, 1000]"), "0.W must be of shape (1000, 2)"),
        "an input of a billion": (model(input_shape="[1000000000]"), "0.W must be of shape (1000000000, 2)"),
        "an input beyond 64 bits": (model(input_shape=f"[{2**70}]"), "input_shape"),
        "an input of ten thousand digits": (model(input_shape=f"[{'9' * 10_000}]"), "input_shape"),
        "an input of nothing": (model(input_shape="[0]"), "input_shape"),
        "a negative input": (model(input_shape="[-3]"), "input_shape"),
        "no input": (model(input_shape="null", preprocessing="null"), ""),
        "an input of brackets": (model(input_shape="[" * 20_000), "input_shape"),
        "an input of text": (model(input_shape='"abc"'), "input_shape"),
        "a scale of no number": (model(input_scale="NaN"), "input_scale"),
        "an infinite scale": (model(input_scale="Infinity"), "input_scale"),
        "a negative scale": (model(input_scale="-1"), "input_scale"),
        "a scale of text": (model(input_scale="one"), "input_scale"),
        "more classes than outputs": (model(classes='["a", "b", "c"]'), "classes"),
        "one class twice": (model(classes='["a", "a"]'), "classes"),
        "classes of numbers": (model(classes="[1, 2]"), "classes"),
        "classes that are a number": (model(classes="7"), "classes"),
        "output scales of another number": (model(output_scale="[[0.0], [1.0]]"), "output_scale"),
        "output scales of zero": (model(output_scale="[[0.0, 0.0], [0.0, 1.0]]"), "output_scale"),
        "output scales of no number": (model(output_scale="[[NaN, 0.0], [1.0, 1.0]]"), "output_scale"),
        # read as preprocessing alone
        "preprocessing of brackets": (model(preprocessing="[" * 20_000), "preprocessing"),
        "preprocessing of another version": (preprocessing(version=9), "preprocessing must be of version 1"),
        "preprocessing of no version": (model(preprocessing="{}"), "preprocessing"),
        "preprocessing that is a list": (model(preprocessing="[1]"), "preprocessing"),
        "another task": (preprocessing(task="ranking"), "preprocessing"),
        "a task that is a list": (preprocessing(task=["classification"]), "preprocessing"),
        "a shape that is text": (preprocessing(input_shape="abc"), "preprocessing"),
        "a shape that is a number": (preprocessing(input_shape=3), "preprocessing"),
        "a shape of fractions": (preprocessing(input_shape=[3.5]), "preprocessing"),
        "a factor of nothing": (preprocessing(scale=0.0), "preprocessing"),
        "a factor without bound": (preprocessing(scale=float("inf")), "preprocessing"),
        "classes of one word": (preprocessing(classes="ab"), "preprocessing"),
        "classes of lists": (preprocessing(classes=[["a"], ["b"]]), "preprocessing"),
        "classes of a regression": (preprocessing(task="regression"), "preprocessing"),
        "labels that are no integers": (preprocessing(labels="integer"), "preprocessing"),
        "labels of another kind": (preprocessing(labels="dates"), "preprocessing"),
        "means of another shape": (preprocessing(standardization={"mean": [0.0], "std": [1.0]}), "preprocessing"),
        "means of text": (preprocessing(standardization={"mean": ["a"] * 3, "std": [1] * 3}), "preprocessing"),
        "deviations of zero": (preprocessing(standardization={"mean": [0.0] * 3, "std": [0.0] * 3}), "preprocessing"),
        "deviations of no number": (
            preprocessing(standardization={"mean": [0.0] * 3, "std": [float("nan")] * 3}), "preprocessing"
        ),
        "ragged means": (preprocessing(standardization={"mean": [[0], 1, [2, 3]], "std": [1] * 3}), "preprocessing"),
        "a rule of no kind": (preprocessing(encoding={"rules": [{"column": "a"}]}), "preprocessing"),
        "a rule of another kind": (preprocessing(encoding={"rules": [rule | {"kind": "tensor"}]}), "preprocessing"),
        "a rule with a word more": (preprocessing(encoding={"rules": [rule | {"exec": "x"}]}), "preprocessing"),
        "a rule that divides by zero": (preprocessing(encoding={"rules": [rule | {"scale": 0}]}), "preprocessing"),
        "a rule beyond all numbers": (preprocessing(encoding={"rules": [rule | {"shift": 10**400}]}), "preprocessing"),
        "rules of another width": (preprocessing(encoding={"rules": [rule]}), "preprocessing"),
        "rules that are none": (preprocessing(encoding={"rules": 7}), "preprocessing"),
        "outputs of nothing": (preprocessing(outputs=0), "preprocessing"),
        "outputs of truth": (preprocessing(outputs=True), "preprocessing"),
    }  # fmt: skip
