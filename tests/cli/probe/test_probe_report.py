"""``minisgd probe NAME --out DIR``: the page has what the terminal prints, in the same digits, and pictures of it."""

from __future__ import annotations

import json
import re
from html import unescape
from importlib.util import find_spec
from pathlib import Path

import pytest

from minisgd.cli import main

pytestmark = pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")

LINES = {
    "noise": "--data digits --model mlp:8 --examples 100 --probes 4",
    "memory": "--data digits --model mlp:8 --batch-size 64 --measure",
    "sharpness": "--data digits --model linear --examples 50 --lr 0.1 --momentum 0.9 --samples 4 --products 30",
    "speed": "--data digits --model linear --batch-sizes 1,8,64 --visits 3",
    "examples": "--data digits --model linear",
    "local": "--data digits --model linear --batch-size 4 --factors 1,4 --seeds 2",
    "trace": "--data digits --model mlp:8 --epochs 0.2 --every 9",
}


@pytest.mark.parametrize("name", LINES)
def test_the_page_has_what_the_terminal_prints(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", name, *LINES[name].split(), "--out", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    page = (tmp_path / "report.html").read_text("utf-8")
    assert f"Report: {tmp_path / 'report.html'}" in captured.err and len(page) < 500_000
    text = unescape(re.sub("<[^>]+>", " ", page)).lower()
    assert [word for word in captured.out.lower().split() if word.rstrip(":") not in text] == []
    assert 1 <= page.count("<svg ") <= 2 and page.count('class="point"') > 2
    if name != "trace":  # which writes trace.jsonl
        assert json.loads((tmp_path / "probe.json").read_text("utf-8"))


def test_cautions_stand_beside_the_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "probe sharpness --data digits --model mlp:8 --examples 50 --samples 4 --products 5"
    assert main([*line.split(), "--out", str(tmp_path), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == json.loads((tmp_path / "probe.json").read_text("utf-8"))
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.index("<svg ") < page.index('<ul class="caution">') < page.index("has not converged in 5 products")


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for name in LINES:
        assert main(["probe", name, *LINES[name].split(), "--out", str(tmp_path / "file")]) == 1
        captured = capsys.readouterr()
        assert "choose another folder" in captured.err and captured.out == ""
