"""What a probe looks at: weights fresh or from a file, of the dtype that was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.cli import main, probe
from minisgd.cli.parser import Parser
from minisgd.cli.probe import subject
from minisgd.nn.models import model


def load(line: str, dtype: str = "float32") -> subject.Subject:
    parser = Parser("minisgd probe test", "", "")
    subject.configure(parser, dtype=dtype)
    args = parser.parse(line.split())
    assert args is not None
    return subject.load(args)


def test_every_probe_is_a_module_with_what_a_command_has() -> None:
    for name in probe.PROBES:
        assert {"EXAMPLES", "configure", "run"} <= set(dir(probe.GROUP.command(name)))


def test_all_examples_are_looked_at_unless_some_are_held_out() -> None:
    assert load("--data digits").data.validation is None
    assert len(load("--data digits --validation 0.5").data) < 900


def test_fresh_weights_are_those_of_the_seed() -> None:
    network, data, loss = load("--data digits --seed 3")
    duplicate = model("mlp:128", (64,), 10).build((64,), seeds=3)
    assert_array_equal(network.vector, duplicate.vector)
    assert data.scale == network.input_scale and repr(loss) == repr(ms.SoftmaxCrossEntropy())


@pytest.mark.parametrize("name", ["linear", "mlp-bn:16", "cnn"])
def test_zeros_are_zero_and_norms_stay(name: str, tmp_path: Path) -> None:
    x = np.zeros((8, 8, 8, 1), np.float32)
    np.savez(tmp_path / "images.npz", x=x, y=np.arange(8) % 2)
    network = load(f"--data {tmp_path / 'images.npz'} --model {name} --init zeros").network
    for key, value in network.parameters().items():
        assert_array_equal(value, 1.0 if key.endswith("gamma") else 0.0)


@pytest.mark.parametrize(("rule", "variance"), [("he", 2 / 64), ("xavier", 2 / (64 + 4000))])
def test_rules_have_their_variance(rule: str, variance: float) -> None:
    network = load(f"--data digits --model mlp:4000 --init {rule}", dtype="float64").network
    assert network.dtype == "float64"
    assert_allclose(network.parameters()["hidden1.W"].var(), variance, rtol=0.02)


def test_weights_of_a_file_in_another_dtype(tmp_path: Path) -> None:
    trained = model("mlp-bn:8", (8, 8, 1), 10)
    run = ms.train(trained, ms.load("digits"), epochs=1)
    run.save(tmp_path / "w.safetensors")
    network = load(f"--data digits --model mlp-bn:8 --weights {tmp_path / 'w.safetensors'}", "float64").network
    assert network.vector.dtype == np.float64
    assert_array_equal(network.vector, run.network.vector)
    assert_array_equal(network.statistics, run.network.statistics)


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    model("linear", (3,), 10).build((3,)).save(tmp_path / "three.safetensors")
    with pytest.raises(ms.ArgumentError, match="--init must be left out with --weights"):
        load("--data digits --weights w.safetensors --init he")
    with pytest.raises(ms.CheckpointError, match="check the path"):
        load("--data digits --weights missing.safetensors")
    with pytest.raises(ms.ShapeError, match="name the data that it was trained on"):
        load(f"--data digits --model linear --weights {tmp_path / 'three.safetensors'}")
    with pytest.raises(ms.CheckpointError, match="the network it was saved from"):
        load(f"--data digits --model mlp:8 --weights {tmp_path / 'three.safetensors'}")


def test_an_unknown_probe_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "memroy"]) == 2
    assert "did you mean 'memory'?" in capsys.readouterr().err


def test_more_examples_than_there_are(capsys):
    assert main(["probe", "sharpness", "--data", "digits", "--model", "linear", "--examples", "100000"]) == 2
    assert "--examples must be from 1 to N = 1797, got 100000" in capsys.readouterr().err
