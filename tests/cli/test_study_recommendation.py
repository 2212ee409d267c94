"""What a study recommends, done as it says: by the command and by the call."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minisgd as ms
from minisgd import cli


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("study")
    line = f"study --data digits --model mlp:16 --batch-sizes 32,128 --seeds 3 --momentum 0.5 --out {folder}"
    assert cli.main([*line.split(), "--learning-rates", "0.1,0.3"]) == 0
    found: dict[str, Any] = json.loads((folder / "study.json").read_text())
    return found


def reached(history: list[dict[str, Any]], target: dict[str, Any]) -> list[int]:
    return [record["step"] for record in history if record[target["metric"]] >= target["value"]]


def check(history: list[dict[str, Any]], studied: dict[str, Any]) -> None:
    """The target is reached within the interval, as closely as twenty evaluations can tell."""
    best = studied["recommendation"]
    row = next(b for b in studied["batch_sizes"] if b["batch_size"] == best["batch_size"])
    steps = reached(history, studied["target"])
    assert steps, "the target was not reached"
    assert steps[0] <= max(best["steps"], row["steps_to_target"]["high"] or 0)
    assert steps[0] >= row["steps_to_target"]["low"] - best["steps"] // 20


def test_the_command_reaches_the_target(studied: dict[str, Any], tmp_path: Path) -> None:
    command = studied["recommendation"]["command"]
    assert "--momentum 0.5" in command and "--model mlp:16" in command and "--seeds" not in command
    assert cli.main([*shlex.split(command)[1:], "--quiet", "--out", str(tmp_path)]) == 0
    check([json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()], studied)
    assert json.loads((tmp_path / "train.json").read_text())["val_accuracy"] >= studied["target"]["value"]


def test_the_call_reaches_the_target(studied: dict[str, Any]) -> None:
    data = ms.datasets.digits(validation=0.2, seed=0)
    network = ms.model("mlp:16", data.input_shape, data.n_classes)
    run = eval(studied["recommendation"]["call"], {"ms": ms, "network": network, "data": data})
    check(list(run.history), studied)
    assert run.evaluate()["accuracy"] >= studied["target"]["value"]


@pytest.mark.parametrize("seed", range(3))
def test_a_noisy_training_run_ends_at_the_target_too(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(800, 6)).astype(np.float32)
    y = x @ rng.normal(size=6).astype(np.float32) + rng.normal(size=800).astype(np.float32)
    data = ms.Dataset.from_arrays(x, y, validation=0.25, task="regression")
    network = ms.Network(ms.Linear(16), ms.ReLU(), ms.Linear(1))
    found = ms.study(network, data, batch_sizes=[2, 4], seeds=2).result
    assert found.target.metric == "val_r2"
    run = eval(found.recommendation.call or "", {"ms": ms, "network": network, "data": data})
    assert run.evaluate()["r2"] >= found.target.value


def test_study_and_train_have_the_same_default_optimizer() -> None:
    data = ms.datasets.digits(validation=0.2, seed=0)
    network = ms.Network(ms.Linear(10))
    found = ms.study(network, data, batch_sizes=[64], learning_rates=[0.3], seeds=1, target_accuracy=0.8).result
    assert found.optimizer == ms.SGD(lr=0.1).describe("lr") == "SGD()"
    assert "optimizer=ms.SGD(lr=0.3)" in (found.recommendation.call or "")
