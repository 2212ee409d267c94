"""``minisgd probe memory --measure``: the plan, and what was allocated beside it."""

from __future__ import annotations

import json

import pytest

from minisgd.cli import main


def test_measured_stands_beside_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("probe memory --data digits --model mlp:64 --measure --json".split()) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bytes"] == sum(found["by_owner"].values())
    measured = found["measured"]
    assert {"slope", "overhead_bytes", "r_squared", "points"} <= measured.keys()
    assert 0.9 < measured["slope"] < 1.1 and measured["r_squared"] > 0.99
    assert "measured" not in json.loads(_out("probe memory --data digits --model mlp:64 --json", capsys))


def test_people_see_both(capsys: pytest.CaptureFixture[str]) -> None:
    text = _out("probe memory --data digits --model linear --measure", capsys)
    assert "times the plan" in text and "planned" in text and "measured" in text


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("probe memory --input 64 --measure", ["--measure", "--data digits"]),
        ("probe memory --data digits --measure --device cuda", ["--measure", "leave --device out"]),
        ("probe memory --data digits --measure --ranks 2", ["--measure", "leave --ranks out"]),
    ],
)
def test_refusals(line: str, says: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and [part for part in says if part not in captured.err] == []


def _out(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(line.split()) == 0
    return capsys.readouterr().out
