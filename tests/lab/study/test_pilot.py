"""What the pilot calls learnable and measurable, on data of which it is known."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from itertools import count
from threading import Event

import numpy as np
import pytest
from numpy.testing import assert_equal

import minisgd as ms
from minisgd.errors import ArgumentError
from minisgd.files import to_json
from minisgd.lab.study import stack
from minisgd.lab.study.constant import balanced, reached_by_chance
from minisgd.lab.study.pilot import MEASURABLE, STEPS, Pilot
from minisgd.lab.study.pilot_runs import run_pilot, seconds_of_pilot, train_pilot
from minisgd.lab.study.target import Target
from minisgd.lab.trial import Trial
from tests.lab.study.test_study import linear_problem, rings


def pilot(data: ms.Dataset, outputs: int, *, target=None, sizes=(4, 32, 64), metric=None) -> Pilot:
    network = ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(outputs))
    with np.errstate(all="ignore"):
        return run_pilot(Trial(network, data), sizes, target, None, [0, 1], Event(), metric)


def without_signal(kind: str, seed: int) -> ms.Dataset:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((150, 5)).astype(np.float32)
    if kind == "coin":
        return ms.Dataset.from_arrays(x, rng.integers(0, 2, 150), validation=0.2, seed=seed)
    if kind == "rare":
        return balanced(ms.Dataset.from_arrays(x, np.arange(150) % 10 == 0, validation=0.4, seed=seed))
    return ms.Dataset.from_arrays(x, 900 * rng.standard_normal((150, 1)), validation=0.2, seed=seed)


@pytest.mark.parametrize(
    "kind, outputs, metric", [("coin", 2, None), ("coin", 2, "val_loss"), ("rare", 2, None), ("values", 1, None)]
)
def test_data_without_a_signal_is_seldom_called_learnable(kind, outputs, metric):
    learned = [pilot(without_signal(kind, seed), outputs, metric=metric).learned for seed in range(25)]
    assert sum(learned) <= 1  # of 100 in all, at most four


def test_threads_change_nothing_but_the_time():
    network, data = ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(3)), rings()

    def cells(threads):
        runs = train_pilot(
            Trial(network, data, threads=threads), (4, 32), "val_loss", [0.01, 0.1, 1.0], [0, 1], Event()
        )
        return [asdict(cell) for cell in runs.cells]

    assert_equal(cells(1), cells(3))


def test_a_pilot_takes_the_longer_the_more_there_is_to_multiply():
    narrow, wide = (Trial(ms.Network(ms.Linear(n), ms.ReLU(), ms.Linear(2)), rings()) for n in (8, 800))
    assert 90 < seconds_of_pilot(wide, (4, 32), None) / seconds_of_pilot(narrow, (4, 32), None) < 101


def test_nothing_learned_is_said():
    found = pilot(without_signal("coin", 0), 2)
    assert not found.learned and math.isnan(found.target.value)
    assert "not distinguishable from always answering the commonest class" in found.trouble
    assert "30 validation examples" in found.trouble


@pytest.mark.parametrize("name", ["iris", "wine", "diabetes"])
def test_what_tiny_tables_teach_is_learned_and_has_a_target(name):
    tables = pytest.importorskip("sklearn.datasets")
    x, y = getattr(tables, f"load_{name}")(return_X_y=True)
    x, regression = (x - x.mean(axis=0)) / x.std(axis=0), name == "diabetes"
    y = y.astype(np.float32) if regression else y
    found = pilot(ms.Dataset.from_arrays(x.astype(np.float32), y, validation=0.2, seed=0), 1 if regression else 3)
    assert found.learned and math.isfinite(found.target.value) and math.isfinite(found.steps)


def test_a_rare_class_of_one_validation_example_is_said():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 5)).astype(np.float32)
    y = np.arange(500) % 100 == 0
    x[y] += 3  # they could be learned, but one example does not show it
    found = pilot(balanced(ms.Dataset.from_arrays(x, y, validation=0.2, seed=0)), 2)
    assert not found.learned and "The rarest class has only 1 validation example: hold out more." in found.trouble


def test_too_easy_is_said():
    data = ms.datasets.gaussian_blobs(400, 8, 3, 5.0, validation=0.25, seed=1)
    found = pilot(data, 3, sizes=(4, 32, 300))
    assert found.learned and not found.measurable
    assert found.trouble.startswith("The problem is too easy to tell batch sizes apart")


def test_a_target_at_the_end_of_a_pilot_without_time_is_none(monkeypatch):
    looks = count()
    monkeypatch.setattr(stack, "perf_counter", lambda: next(looks))  # time for the first evaluation
    network = ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(3))
    with np.errstate(all="ignore"):
        found = run_pilot(Trial(network, rings()), (4, 32, 64), None, None, [0, 1], Event(), deadline=1)
    assert found.updates < STEPS and found.learned and not found.measurable
    assert found.trouble.startswith("Time allowed the pilot") and "Allow more time" in found.trouble


@pytest.mark.parametrize("data, outputs", [(rings(), 3), (linear_problem(), 1)], ids=["rings", "linear"])
def test_a_chosen_target_is_beyond_guessing_and_takes_a_while(data, outputs):
    found = pilot(data, outputs, sizes=(4, 32, 64))
    assert found.trouble == "" and found.steps >= MEASURABLE
    assert found.target.value > reached_by_chance(found.baseline, data, None, 1)


@pytest.mark.parametrize("value, refused", [(0.34, True), (0.37, True), (0.8, False)])
def test_a_given_target_must_be_harder_than_guessing(value, refused):
    goal = Target("val_accuracy", value)  # three classes alike: a third, and 5% of error on 100 examples
    if not refused:
        assert pilot(rings(), 3, target=goal).target == goal
        return
    with pytest.raises(ArgumentError, match="harder than"):
        pilot(rings(), 3, target=goal)


def test_a_given_loss_must_be_lower_than_that_of_the_frequencies():
    with pytest.raises(ArgumentError, match="target_loss must be harder than"):
        pilot(rings(), 3, target=Target("val_loss", 1.098))


@pytest.mark.parametrize("data, outputs", [(rings(), 3), (without_signal("values", 1), 1)])
def test_a_pilot_comes_back_from_the_journal(data, outputs):
    found = pilot(data, outputs)
    again = Pilot.from_dict(json.loads(to_json(asdict(found))))
    assert asdict(again).keys() == asdict(found).keys() and repr(again) == repr(found)
