"""``minisgd probe speed``: the document other programs read, and what people see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minisgd.cli import main

QUICK = "probe speed --data digits --model linear --batch-sizes 1,8,64 --visits 3"


def document(line: str, capsys: pytest.CaptureFixture[str]) -> Any:
    assert main(f"{line} --json".split()) == 0
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def test_the_document_has_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(QUICK, capsys)
    assert {"t0_seconds", "examples_per_second", "knee", "points"} <= found.keys()
    assert [point["batch_size"] for point in found["points"]] == [1, 8, 64]
    assert all(point["step_seconds"] > 0 for point in found["points"])
    assert found["examples"] == 1797  # nothing is held out


def test_inference_adds_percentiles(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(f"{QUICK} --inference --model mlp-bn:8", capsys)
    assert {"t0_seconds", "examples_per_second", "knee", "points"} <= found.keys()
    for point in found["points"]:
        assert 0 < point["p50_seconds"] == point["step_seconds"] <= point["p99_seconds"]
        assert point["examples_per_second"] > 0


def test_people_see_the_line_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"{QUICK} --optimizer adam".split()) == 0
    captured = capsys.readouterr()
    assert "The knee, where overhead and work take equally long, is at batch size" in captured.out
    assert "examples/s" in captured.out and "in a random order" in captured.err
    assert main(f"{QUICK} --inference --quiet".split()) == 0
    captured = capsys.readouterr()
    assert "p99" in captured.out and captured.err == ""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("probe speed", ["--data", "--help"]),
        ("probe speed --data digits --batch-sizes 1", ["--batch-sizes", "at least two"]),
        ("probe speed --data digits --batch-sizes 1,two", ["--batch-sizes", "whole number"]),
        ("probe speed --data digits --batch-sizes 1,5000", ["--batch-sizes", "1 to N = 1797"]),
        ("probe speed --data digits --visits 1", ["visits", "at least 3"]),
        ("probe speed --data digits --inference --powers-of-two", ["--powers-of-two", "training steps"]),
        ("probe speed --data digits --weights w --init he", ["--init", "choose fresh weights"]),
        ("probe speed --data digits --init hee", ["--init", "did you mean 'he'?"]),
        ("probe spede --data digits", ["probe must be one of", "did you mean 'speed'?"]),
        ("probe speed --data digits --inferense", ["--inferense", "did you mean '--inference'?"]),
    ],
)
def test_refusals(line: str, says: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line.split(), "--quiet"]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and [part for part in says if part not in captured.err] == []
