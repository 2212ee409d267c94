"""What stands in a terminal of 80 columns, and that report and JSON say the same numbers in the same words."""

from __future__ import annotations

import io
import json
from html import unescape

import pytest
from rich.console import Console

from minisgd.cli import claims as claims_command
from minisgd.cli import main, output
from minisgd.cli import study as study_command
from minisgd.lab import words
from minisgd.lab.study import Study
from minisgd.lab.study.table import columns
from tests.lab.claims.report.test_page import made_up
from tests.lab.study import synthetic_study

COMMANDS = (
    "train --data digits --model linear --epochs 1",
    "probe noise --data digits --model linear",
    "probe examples --data digits --model linear",
    "probe sharpness --data digits --model linear --examples 50 --lr 0.1 --batch-size 32",
    "probe speed --data digits --model linear --inference",
    "probe memory --input 784 --model mlp:256,128 --batch-size 8192 --memory-limit 16MiB",
    "probe trace --data digits --model mlp:16",
    "explain --model mlp:128 --input 64 --batch-size 32",
    "doctor",
)


@pytest.fixture
def terminal(monkeypatch):
    """Let commands print to a terminal of 80 columns, without colours."""
    shown = io.StringIO()
    console = Console(file=shown, width=80, force_terminal=True, color_system=None, highlight=False)
    monkeypatch.setattr(output, "console", lambda stream: console)
    return shown


def too_wide(text: str) -> list[str]:
    return [line for line in text.splitlines() if len(line) > 80]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.split(" --")[0].split()))
def test_tables_fit_80_columns(command, terminal):
    assert main([*command.split(), *(["--quiet"] if command[:7] != "explain" and command != "doctor" else [])]) == 0
    assert len(terminal.getvalue().splitlines()) > 5 and too_wide(terminal.getvalue()) == []


@pytest.mark.parametrize("kind", ["study", "partial", "single", "nothing"])
def test_a_study_has_a_line_for_each_batch_size(kind, terminal):
    result = getattr(synthetic_study, kind)()
    study_command._print(Study(result))
    lines = terminal.getvalue().splitlines()
    assert too_wide(terminal.getvalue()) == []
    starts = [next(iter(line.split()), "") for line in lines]
    assert all(str(b.batch_size) in starts for b in result.batch_sizes)
    assert all(any(words.memory(b.memory_bytes) in line for line in lines) for b in result.batch_sizes)


def test_claims_fit_80_columns(terminal):
    claims_command._print(made_up())
    assert terminal.getvalue() and too_wide(terminal.getvalue()) == []


def test_terminal_report_and_json_say_the_same_numbers(terminal, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    result = synthetic_study.study()
    study_command._print(Study(result))
    html = unescape(Study(result).save(tmp_path).read_text("utf-8"))
    document = json.loads((tmp_path / "study.json").read_text("utf-8"))
    shown = terminal.getvalue()
    for b, stored in zip(result.batch_sizes, document["batch_sizes"], strict=True):
        for column in columns(result):
            assert f">{column.text(b)}<" in html
            assert not column.short or column.text(b) in shown
        assert words.count(stored["steps_to_target"]["median"]) in shown
        assert words.seconds(stored["seconds_to_target"]["median"]) in shown
        assert words.number(stored["lr"]) in shown and words.memory(stored["memory_bytes"]) in shown
    best = document["recommendation"]
    assert f"learning rate {words.number(best['lr'])}" in shown and f"learning rate {words.number(best['lr'])}" in html
