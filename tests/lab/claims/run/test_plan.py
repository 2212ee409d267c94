"""How a budget is spent: smaller experiments before fewer, what matters most first, single measurements last."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar

import pytest

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs
from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.run.plan import FEWEST, Missing, Runner
from minisgd.lab.timing.clock import VISITS
from tests.lab.claims.labs import small_lab

DATA = gaussian_blobs(400, 5, 3, 3.0, seed=0)
NETWORK = ms.Network(ms.Linear(3))


@dataclass(frozen=True)
class Told(Experiment[Any]):
    """An experiment that says how long it takes, and returns with what it was run."""

    label: str
    takes: float

    @property
    def name(self) -> str:
        return self.label

    def seconds(self, lab: Any) -> float:
        return self.takes

    def run(self, lab: Any) -> Any:
        return lab.seeds, lab.sizes, lab.visits


@dataclass(frozen=True)
class Alone(Told):
    alone: ClassVar[bool] = True


def spent(experiments: list[Experiment[Any]], budget: float, first: frozenset[Any] = frozenset()) -> dict[str, Any]:
    """Return what came of the experiments, by name, in the order in which they were made."""
    lab = small_lab(NETWORK, DATA, seeds=8)
    runner = Runner(lab, perf_counter() + budget, 1, lambda name, outcome: None)
    runner.run(dict.fromkeys(experiments, 1), lambda seconds, total: None, first)
    return {experiment.name: outcome.result for experiment, outcome in runner.outcomes.items()}


def test_a_long_budget_has_everything_in_full():
    for seeds, sizes, visits in spent([Told("a", 1.0), Alone("b", 1.0)], 1e6).values():
        assert len(seeds) == 8 and sizes == (4, 16, 64, 256) and visits == VISITS


def test_a_shorter_one_has_fewer_seeds():
    found = spent([Told("a", 900.0), Told("b", 1000.0)], 1600.0)
    assert FEWEST < len(found["a"][0]) < 8 and found["a"][1] == (4, 16, 64, 256)


def test_a_still_shorter_one_leaves_out_the_smallest_batch_and_shortens_visits():
    found = spent([Told("a", 3000.0), Told("b", 1000.0), Alone("c", 10.0)], 1000.0)
    for seeds, sizes, visits in (found["b"], found["c"]):
        assert sizes == (16, 64, 256) and visits < VISITS and len(seeds) >= FEWEST


def test_what_does_not_fit_is_left_out_and_what_is_short_still_made():
    found = spent([Told("a", 1e6), Told("b", 1.0), Alone("c", 1.0)], 1000.0)
    assert isinstance(found["a"], Missing) and "are left" in found["a"].why
    assert not isinstance(found["b"], Missing) and not isinstance(found["c"], Missing)


def test_what_matters_most_is_first_and_what_is_timed_last():
    contested, timed = Told("contested", 100.0), Alone("timed", 0.1)
    found = spent([timed, Told("short", 1.0), contested], 1e6, frozenset({contested}))
    assert list(found) == ["contested", "short", "timed"]


def test_the_shortest_tries_every_other_learning_rate():
    lab = small_lab(NETWORK, DATA, seeds=2)
    halves = [2.0**k for k in range(-5, 7)]
    assert lab.rates(halves) == halves
    lab.coarsen()
    assert lab.rates(halves) == [2.0**k for k in range(-4, 7, 2)]
    assert lab.rates(halves[2:9]) == halves[2:9]  # three would not be a grid


@pytest.mark.parametrize("sizes", [(16, 64, 256), (64, 256)])
def test_batch_sizes_of_an_experiment_leave_out_the_smallest_too_if_three_remain(sizes):
    lab = small_lab(NETWORK, DATA, seeds=2)
    lab.leave_out_the_smallest()
    trial = lab.base
    assert lab.within(trial) == (16, 64, 256)
    assert lab.within(trial, (4, *sizes)) == (sizes if len(sizes) == 3 else (4, *sizes))
