"""batch_size="auto": what a study within a budget recommends is what is trained with, and it is said."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms
from minisgd.cli import main
from minisgd.lab import study as package


def problem():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3)).astype(np.float32)
    return ms.Dataset.from_arrays(x, (x[:, 0] > 0).astype(int)), ms.Network(ms.Linear(2))


@pytest.fixture
def asked(monkeypatch):
    """Answer for the study: batch size 16 with learning rate 0.25, unless told otherwise."""
    calls, answer = [], {"batch_size": 16, "lr": 0.25, "why": "Batch size 16 is soonest."}

    def study(network, data, **settings):
        calls.append(settings)
        rates = settings["learning_rates"]
        return SimpleNamespace(recommendation=SimpleNamespace(**answer | ({"lr": rates[0]} if rates else {})))

    monkeypatch.setattr(package, "study", study)
    return calls, answer


def test_it_trains_with_what_was_found_and_says_so(asked, capsys):
    data, net = problem()
    run = ms.train(net, data, batch_size="auto", epochs=2)
    assert asked[0][0]["budget"] == "20s"
    said = capsys.readouterr().err
    assert "Batch size 16 is soonest." in said and "batch_size=16, optimizer=ms.SGD(lr=0.25)" in said
    again = ms.train(net, data, batch_size=16, optimizer=ms.SGD(lr=0.25), epochs=2)
    assert_array_equal(run.network.vector, again.network.vector)


def test_an_optimizer_keeps_its_learning_rate_and_a_name_gets_the_best(asked, capsys):
    data, net = problem()
    ms.train(net, data, batch_size="auto:1min", optimizer=ms.Adam(lr=0.5), epochs=1, progress=False)
    ms.train(net, data, batch_size="auto", optimizer="adam", epochs=1, progress=False)
    assert [call["learning_rates"] for call in asked[0]] == [[0.5], None]
    assert [call["budget"] for call in asked[0]] == ["1min", "20s"]
    assert capsys.readouterr().err == ""
    with pytest.raises(ms.ArgumentError, match="without a schedule where batch_size is 'auto'"):
        ms.train(net, data, batch_size="auto", optimizer=ms.SGD(lr=ms.Cosine(0.1)))


def test_the_default_stays_where_nothing_can_be_compared(asked, capsys):
    data, net = problem()
    asked[1].update(batch_size=None, why="Nothing was learned.")
    ms.train(net, data, batch_size="auto", epochs=1)
    assert "Nothing was learned." in (said := capsys.readouterr().err) and "batch_size=32" in said


def test_it_is_a_number_when_a_training_run_goes_on(tmp_path):
    with pytest.raises(ms.ArgumentError, match="batch_size must be a number with resume"):
        ms.train(*reversed(problem()), batch_size="auto", resume=tmp_path)


def test_the_command_line_writes_down_what_was_found(asked, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main("train --data digits --model linear --batch-size auto --epochs 1 --seed 3 --out a".split()) == 0
    assert asked[0][0]["seed"] == 3 and asked[0][0]["learning_rates"] is None
    assert "--optimizer sgd --lr 0.25 --batch-size 16" in capsys.readouterr().err
    assert json.loads(Path("a/train.json").read_text())["command"].endswith("--lr 0.25 --batch-size 16")
    assert tomllib.loads(Path("a/run.toml").read_text())["batch-size"] == "16"
    assert main("train --data digits --model linear --batch-size auto --momentum 0.9 --lr 0.1 --epochs 1".split()) == 0
    assert asked[0][1]["learning_rates"] == [0.1] and asked[0][1]["optimizer"].momentum == 0.9


def test_the_study_answers():
    data, net = problem()
    run = ms.train(net, data, batch_size="auto:2min", epochs=1, progress=False)
    assert 1 <= run.steps <= len(data)


@pytest.mark.parametrize("given", ["auto:x", "auto:-1s", "auto:0.001s"])
def test_a_time_that_is_none_is_refused_by_the_name_of_what_was_given(given):
    data, net = problem()
    with pytest.raises(ms.ArgumentError, match=f"batch_size must be 'auto', or 'auto:' with .*got {given}"):
        ms.train(net, data, batch_size=given, epochs=1, progress=False)
