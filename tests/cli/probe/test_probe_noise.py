"""``minisgd probe noise``: the figures of the closed form, in JSON and in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.cli import main

KEYS = ["grad_sq_norm", "trace_covariance", "b_simple", "b_noise", "lr_max", "examples", "exact", "low", "high"]


def test_json_is_what_the_instrument_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("probe noise --data digits --model linear --init zeros --exact --json --quiet".split()) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    data = ms.datasets.digits(validation=None)
    net = ms.model("linear", (64,), 10).build((64,), dtype="float64", init=ms.init.Zeros())
    expected = ms.gradient_noise(net, data)
    assert list(found) == KEYS
    for name in KEYS:
        assert_allclose(found[name], getattr(expected, name), rtol=1e-9, err_msg=name)
    assert found["exact"] is True and found["examples"] == 1797 and captured.err == ""


def test_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("probe noise --data digits --model mlp-bn:8 --init xavier --examples 300 --probes 4".split()) == 0
    captured = capsys.readouterr()
    for part in ("|G|²", "tr Σ", "B_simple", "not ruled out (99%)", "lr_max", "best lr", "1,797"):
        assert part in captured.out
    assert "300 of 1797 examples" in captured.err


def test_what_is_not_resolved_is_null_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ms.load("digits", validation=0.0)
    path = ms.train(ms.model("mlp:8", data.input_shape, 10), data, epochs=30).save(tmp_path / "w.safetensors")
    line = f"probe noise --data digits --model mlp:8 --weights {path} --examples 12 --probes 2"
    assert main(line.split()) == 0
    assert "∞" in (captured := capsys.readouterr()).out and "lost in its noise" in captured.err
    assert main([*line.split(), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["high"] is None and found["exact"] is False


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("--examples 3", 2, "examples must be an integer from 4"),
        ("--examples 9999", 2, "examples must be an integer from 4"),
        ("--exact --examples 20", 2, "--examples must be left out"),
        ("--probes 1", 2, "probes must be"),
        ("--weights nowhere.safetensors", 1, "nowhere.safetensors"),
        ("--init ones", 2, "--init must be one of he, xavier, zeros"),
    ],
)
def test_wrong_options_are_refused(words: str, code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"probe noise --data digits --model linear {words}".split()) == code
    captured = capsys.readouterr()
    assert says in captured.err and not captured.out
