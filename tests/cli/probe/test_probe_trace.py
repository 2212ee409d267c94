"""``minisgd probe trace``, and ``minisgd explain --trace`` that reads what it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minisgd.cli import main

LINE = "probe trace --data digits --model mlp:8 --epochs 0.5 --every 7"


def out(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(line.split()) == 0
    return capsys.readouterr().out


def test_the_document_has_the_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(out(f"{LINE} --json", capsys), parse_constant=pytest.fail)
    assert found["steps"] == [1, 8, 15, 22, 29] and found["every"] == 7
    assert list(found["layers"]) == ["Linear hidden1", "ReLU 2", "Linear output"]
    assert found["layers"]["ReLU 2"]["gradient"] == [None] * 5
    assert all(0 < ratio < 1 for ratio in found["layers"]["Linear output"]["ratio"])


def test_files_are_written_and_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = out(f"{LINE} --out {tmp_path / 'run'}", capsys)
    assert "step 1 → 29, of 5 steps traced" in text and "update / weight" in text
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "report.html",
        "run.toml",
        "trace.jsonl",
        "trace.png",
    ]
    line = f"explain --data digits --model mlp:8 --trace {tmp_path / 'run' / 'trace.jsonl'}"
    assert "of w" in out(line, capsys)
    document = json.loads(out(f"{line} --json", capsys))
    assert document["traced"] == [1, 29] and any(row["norm"] for row in document["lines"])


def test_the_trace_of_a_divergence_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"{LINE} --lr 1e6 --momentum 0.9 --every 1 --out {tmp_path} --json".split()) == 1
    captured = capsys.readouterr()
    found = json.loads(captured.out, parse_constant=pytest.fail)
    assert found["steps"] == [1, 2] and "lower the learning rate" in captured.err  # divergence is noticed at once
    activation = found["layers"]["Linear output"]["activation"]
    assert activation[0] < 10 and (activation[-1] is None or activation[-1] > 1e3)
    assert (tmp_path / "trace.png").exists()


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (f"{LINE} --every 0", 2, ["every", "positive"]),
        (f"{LINE} --out blocked", 1, ["--out 'blocked'", "another folder"]),
        (f"{LINE} --epochs 0", 2, ["epochs", "10, for example"]),
        ("explain --data digits --model mlp:8 --trace nowhere.jsonl", 1, ["nowhere.jsonl", "probe trace --out"]),
        ("explain --data digits --model mlp:8 --trace blocked", 1, ["blocked", "JSON lines"]),
    ],
)
def test_refusals(
    line: str,
    code: int,
    says: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("blocked").write_text("no folder")
    assert main(line.split()) == code
    captured = capsys.readouterr()
    assert captured.out == "" and [part for part in says if part not in captured.err] == []


def test_an_interrupted_trace_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shares: list[float] = []

    def interrupt(bar: Any, share: float, text: str) -> None:
        shares.append(share)
        if len(shares) == 3:  # updates between traced ones come several at a time: how many is up to the machine
            raise KeyboardInterrupt

    monkeypatch.setattr("minisgd.cli.output.ProgressBar.show", interrupt)
    assert main(f"{LINE} --out {tmp_path} --json".split()) == 130
    captured = capsys.readouterr()
    steps = json.loads(captured.out)["steps"]
    assert steps == [1, 8, 15, 22, 29][: len(steps)] and len(steps) <= 3
    assert f"interrupted; traced up to step {steps[-1]}" in captured.err
    assert (tmp_path / "trace.jsonl").exists()
