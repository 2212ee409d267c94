from __future__ import annotations

import copy
import dataclasses
import json
import math
import pickle

import numpy as np
import pytest

from minisgd.errors import OutputError
from minisgd.lab.study.analysis import analyse
from minisgd.lab.study.target import Target
from tests.lab.study.synthetic_study import partial, setting, trials


def strictly(text: str) -> dict:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_document_is_strict_json(any_study):
    strictly(any_study.to_json())


def test_a_study_is_pickled_and_copied(any_study):
    for other in (pickle.loads(pickle.dumps(any_study)), copy.deepcopy(any_study)):
        assert other.to_json() == any_study.to_json()


def test_document_has_the_promised_keys(study):
    document = strictly(study.to_json())
    assert {
        "data",
        "model",
        "optimizer",
        "target",
        "batch_sizes",
        "fit",
        "recommendation",
        "environment",
        "command",
    } <= set(document)
    assert set(document["target"]) == {"metric", "value", "loss_of_mean"}
    assert {
        "batch_size",
        "lr",
        "lr_on_edge",
        "steps_to_target",
        "examples_to_target",
        "seconds_to_target",
        "step_seconds",
        "samples_per_second",
        "memory_bytes",
        "train_loss",
        "val_accuracy",
    } <= set(document["batch_sizes"][0])
    for unit in ("steps", "examples", "seconds"):
        interval = document["batch_sizes"][0][f"{unit}_to_target"]
        assert set(interval) == {"median", "low", "high", "reached", "censored"}
    fit = document["fit"]
    assert {"s_min", "e_min", "b_crit", "b_crit_low", "b_crit_high", "b_20", "b_20_low", "b_20_high"} <= set(fit)
    assert fit["b_20"] == 0.2 * fit["b_crit"] and fit["b_20_high"] == 0.2 * fit["b_crit_high"]
    assert {"batch_size", "lr", "seconds", "memory_bytes", "why", "runner_up"} <= set(document["recommendation"])


def test_what_was_not_reached_is_null():
    document = strictly(partial().to_json())
    missed = document["batch_sizes"][0]
    assert missed["steps_to_target"] == {"median": None, "low": None, "high": None, "reached": 0, "censored": 3}
    assert missed["val_accuracy"] is None
    assert document["fit"]["b_crit"] is None and document["fit"]["reason"]


def test_recommendation_reads_as_an_answer_that_can_be_run(study):
    best = study.recommendation
    lines = str(best).splitlines()
    assert lines[0].startswith(f"Use batch size {best.batch_size} with learning rate ")
    assert lines[1] == best.why
    assert [line.strip() for line in lines[3:]] == [text for text in (best.command, best.call) if text]


def test_open_interval_is_null(study):
    fit = dataclasses.replace(study.fit, s_min=0.0, b_crit=math.inf, b_crit_high=math.inf)
    result = dataclasses.replace(study, fit=fit)
    assert strictly(result.to_json())["fit"]["b_crit_high"] is None


def test_numpy_values_in_the_environment_become_plain(study):
    environment = {"threads": np.int64(2), "load": np.float64("nan"), "cores": [np.float32(1.5)], "gpu": {"name": None}}
    document = strictly(dataclasses.replace(study, environment=environment).to_json())
    assert document["environment"] == {"threads": 2, "load": None, "cores": [1.5], "gpu": {"name": None}}


def test_saved_file_is_the_document_and_nothing_else_is_left(study, tmp_path):
    path = study.save(tmp_path / "new" / "folder")
    assert path.read_text() == study.to_json()
    assert [p.name for p in path.parent.iterdir()] == ["study.json"]


def test_folder_that_is_a_file_is_refused(study, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="folder"):
        study.save(tmp_path / "taken")


def test_order_of_trials_does_not_matter():
    some = trials()
    assert [b.batch_size for b in analyse(some[::-1], setting()).batch_sizes] == sorted(t.batch_size for t in some)


def test_target():
    assert str(Target("val_accuracy", 0.95)) == "95% validation accuracy"
    assert str(Target("val_accuracy", 0.9725)) == "97.25% validation accuracy"
    assert str(Target("train_loss", 0.05)) == "a training loss of 0.05"
    assert str(Target("val_loss", 1.234e-5)) == "a validation loss of 1.23e-5"
