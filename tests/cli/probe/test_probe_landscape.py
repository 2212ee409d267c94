"""``minisgd probe landscape``: planes and lines, as numbers, files and words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.cli import main

FRESH = "probe landscape --data digits --model mlp-bn:4 --examples 50 --points 3"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ms.Network]:
    """Return three networks whose weights lie in 0.safetensors, 1.safetensors and 2.safetensors."""
    monkeypatch.chdir(tmp_path)
    data = ms.load("digits", validation=0.0)
    networks = []
    for seed in range(3):
        run = ms.train(ms.model("mlp-bn:4", data.input_shape, 10), data, steps=20, seed=seed)
        run.save(f"{seed}.safetensors")
        networks.append(run.network)
    return networks


def test_numbers_of_a_plane(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FRESH.split(), "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["kind"] == "random" and len(found["loss"]) == len(found["loss"][0]) == 3
    assert captured.err == ""


def test_a_picture_of_a_plane_and_what_is_said_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "new" / "plane.png"
    assert main([*FRESH.split(), "--span", "0.5", "--out", str(path)]) == 0
    captured = capsys.readouterr()
    assert path.read_bytes().startswith(b"\x89PNG")
    for part in ("filter-normalised", "-0.5 to 0.5", "50 examples", str(path)):
        assert part in captured.out
    assert "running statistics" in captured.err


def test_the_line_to_another_network(weights: list[ms.Network], capsys: pytest.CaptureFixture[str]) -> None:
    line = f"{FRESH} --weights 0.safetensors --to 1.safetensors --points 5 --out line.json"
    assert main(line.split()) == 0
    assert "barrier" in capsys.readouterr().out
    found = json.loads(Path("line.json").read_text())
    data = ms.load("digits", validation=0.0)
    expected = ms.Objective(weights[1], data, examples=50)
    assert_allclose(found["loss"][3], expected.value(expected.start), rtol=1e-10)
    assert found["t"] == [-0.5, 0, 0.5, 1, 1.5]


def test_the_plane_through_three_networks(weights: list[ms.Network], capsys: pytest.CaptureFixture[str]) -> None:
    line = f"{FRESH} --weights 0.safetensors --to 1.safetensors --to 2.safetensors --json"
    assert main(line.split()) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "through" and len(found["points"]) == 3


def test_a_line_in_a_random_direction(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FRESH.split(), "--line", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ends"] == "direction" and found["t"] == [-1, 0, 1]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("", 2, "--out must be a file to write"),
        ("--out plane.pdf", 2, "--out must be a file that ends in .png, .svg, .html or .json, got plane.pdf"),
        ("--json --points 1", 2, "points must be at least 2"),
        ("--json --span -1", 2, "span must be"),
        ("--json --init zeros", 2, "a network whose weights are not all zero"),
        ("--json --to nowhere.safetensors", 1, "nowhere.safetensors"),
        ("--json --line --to a", 2, "--line must be left out with --to"),
        ("--json --to a --to b --to c", 2, "--to must be given once or twice"),
        ("--out blocked/plane.png", 1, "--out 'blocked'"),
    ],
)
def test_wrong_options_are_refused(
    words: str,
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("blocked").write_text("a file where a folder should be")
    assert main([*FRESH.split(), *words.split()]) == code
    captured = capsys.readouterr()
    assert says in captured.err and captured.out == ""
