"""How a budget is spent: smaller experiments before fewer, what matters most first, single measurements last."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, ClassVar

import pytest

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs
from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.lab import FULL
from minisgd.lab.claims.run.plan import FEWEST, MORE, Missing, Outcome, Runner
from minisgd.lab.study.stack import Stopped
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


def test_a_shorter_one_begins_with_fewer_seeds_and_buys_more_with_what_is_left():
    a, b, made = Told("a", 900.0), Told("b", 1000.0), list[tuple[str, int]]()

    class Recorded(Runner):
        def _run(self, experiment: Experiment[Any], estimate: float, seeds: int) -> Outcome:
            made.append((experiment.name, seeds))
            return super()._run(experiment, estimate, seeds)

    runner = Recorded(small_lab(NETWORK, DATA, seeds=8), perf_counter() + 1600, 1, lambda name, outcome: None)
    runner.run({a: 1, b: 1}, lambda seconds, total: None)
    assert made == [("a", MORE), ("b", MORE), ("a", 8), ("b", 8)]
    assert [len(outcome.result[0]) for outcome in runner.outcomes.values()] == [8, 8]


def test_what_time_does_not_allow_with_more_seeds_stands_with_fewer():
    lab = small_lab(NETWORK, DATA, seeds=8)
    runner = Runner(lab, perf_counter() + 1000, 1, lambda name, outcome: None)
    experiment = Told("a", 1.0)
    runner._keep(experiment, runner._run(experiment, 1.0, FEWEST))
    runner._keep(experiment, runner._run(experiment, 1e6, 8))
    assert len(runner.outcomes[experiment].result[0]) == FEWEST


def test_a_busy_machine_is_known_from_the_pilots():
    lab = small_lab(NETWORK, DATA, seeds=8)
    lab.pace["one"], lab.pace["other"] = (6.0, 1.0), (6.0, 2.0)
    runner = Runner(lab, perf_counter() + 1000, 2, lambda name, outcome: None, after=10.0)
    assert runner._pace() == 4.0 and 975 < runner._left() < 981


def test_a_still_shorter_one_leaves_out_the_smallest_batch_and_shortens_visits():
    found = spent([Told("a", 2600.0), Told("b", 1000.0), Alone("c", 10.0)], 1000.0)
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
    assert lab.held(trial) == (4, 16, 64, 256)  # what is timed takes no longer there


def test_the_largest_is_left_out_but_where_it_was_asked_for():
    lab = replace(small_lab(NETWORK, DATA, seeds=2), sizes=(2, 4, 16, 64))
    lab.leave_out_the_largest()
    assert lab.within(lab.base) == (2, 4, 16)
    assert lab.within(lab.base, (4, 10, 100)) == (4, 10, 100) and lab.within(lab.base, (FULL,)) == (320,)
    lab.leave_out_the_largest()
    assert lab.sizes == (2, 4, 16)  # three remain


class Unknown(Told):
    """An experiment whose pilot does not come to an end while experiments are estimated."""

    asked: ClassVar[list[float]] = []

    def seconds(self, lab: Any) -> float:
        self.asked.append(lab.stop.left)
        if len(self.asked) == 1:
            raise Stopped
        return self.takes


def test_pilots_have_a_share_of_the_budget_and_what_is_without_one_is_made_last():
    Unknown.asked.clear()
    found = spent([Unknown("a", 1.0), Told("b", 2.0)], 1000.0)
    assert list(found) == ["b", "a"] and len(found["a"][0]) == 8
    assert Unknown.asked[0] <= 300 < Unknown.asked[1]
