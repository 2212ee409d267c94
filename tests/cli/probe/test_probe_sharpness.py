"""``minisgd probe sharpness``: the figures of the closed form, in JSON and in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.cli import main


def test_json_has_the_figures_of_softmax_regression(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("probe sharpness --data digits --model linear --init zeros --json --quiet".split()) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    data = ms.datasets.digits(validation=0.0)
    network = ms.model("linear", data.input_shape, 10).build(data.input_shape, dtype="float64")
    network.vector[...] = 0
    expected = ms.sharpness(network, data)
    assert {"lambda_max", "lambda_min", "trace", "lr_max", "keskar", "sam", "examples"} <= found.keys()
    assert found["examples"] == 1797
    for name in ("lambda_max", "trace", "lr_max", "keskar", "sam"):
        assert_allclose(found[name], getattr(expected, name), rtol=1e-9)
    assert captured.err == ""


def test_words_set_the_learning_rate_in_use_beside_the_stable_one(capsys: pytest.CaptureFixture[str]) -> None:
    line = "probe sharpness --data digits --model mlp-bn:8 --examples 200 --lr 0.1 --batch-size 32 --momentum 0.9"
    assert main([*line.split(), "--products", "5"]) == 0
    captured = capsys.readouterr()
    for part in ("λmax", "2(1+μ)/λmax", "lr in use", "lr/B", "Keskar φ", "SAM rise", "200"):
        assert part in captured.out
    assert "has not converged in 5 products" in captured.err
    assert "running statistics" in captured.err


def test_weights_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ms.load("digits", validation=0.0)  # images, as the command line sees them
    trained = ms.train(ms.model("mlp:8", data.input_shape, 10), data, epochs=1)
    path = trained.save(tmp_path / "w.safetensors")
    assert main(f"probe sharpness --data digits --model mlp:8 --weights {path} --samples 10 --json".split()) == 0
    found = json.loads(capsys.readouterr().out)
    assert_allclose(found["lambda_max"], ms.sharpness(trained.network, data, samples=10).lambda_max, rtol=1e-9)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("--lr 0", 2, "lr must be"),
        ("--momentum 1", 2, "momentum must be"),
        ("--examples 0", 2, "--examples must be an integer of at least 1, got 0"),
        ("--rho x", 2, "--rho"),
        ("--exact --samples 3", 2, "--samples must be left out with --exact, got 3"),
        ("--weights nowhere.safetensors", 1, "nowhere.safetensors"),
    ],
)
def test_wrong_options_are_refused(words: str, code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"probe sharpness --data digits --model linear {words}".split()) == code
    captured = capsys.readouterr()
    assert says in captured.err and captured.out == ""
