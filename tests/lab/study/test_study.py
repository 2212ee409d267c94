"""The study end to end, on data small enough for every test."""

from __future__ import annotations

import json
import math
from threading import Event

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.lab.study import pilot_runs, run, stack, sweep
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.grid import lattice
from minisgd.lab.study.identity import fingerprint
from minisgd.lab.study.outcome import Outcome
from minisgd.lab.study.pilot import Pilot
from minisgd.lab.study.stack import Budget, Stopped, Trial, train_stack
from minisgd.lab.study.sweep import Search
from minisgd.lab.study.target import Baseline, Target
from minisgd.training.digest import settings_of

TARGET = Target("val_accuracy", 0.9)


def never_reached(batch_size: int) -> Outcome:
    cell = Cell(batch_size, 0.1, 0, math.inf, 10, False, 1.0, 1.0, 0.5)
    return Outcome(batch_size, [0.1], [[cell]], 10)


@pytest.fixture(scope="module")
def blobs() -> ms.Dataset:
    """Return three noisy rings in a plane of an 8-dimensional space: no linear model tells them apart."""
    return rings()


def rings(wrong: float = 0.0) -> ms.Dataset:
    rng = np.random.default_rng(1)
    angle, ring = rng.uniform(0, 2 * np.pi, 400), rng.integers(0, 3, 400)
    radius = 1 + ring + 0.15 * rng.standard_normal(400)
    plane, _ = np.linalg.qr(rng.standard_normal((8, 2)))
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1) @ plane.T
    y = np.where(rng.random(400) < wrong, rng.integers(0, 3, 400), ring)
    return ms.Dataset.from_arrays(x.astype(np.float32), y, validation=0.25, seed=1)


def linear_problem() -> ms.Dataset:
    """Return a regression whose features differ in scale, so that gradient descent takes a while."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 8)) * np.logspace(0, -1, 8)
    y = x @ (rng.standard_normal((8, 1)) * np.logspace(0, 1, 8)[:, None]) + 0.1 * rng.standard_normal((400, 1))
    return ms.Dataset.from_arrays(x.astype(np.float32), y.astype(np.float32), validation=0.25, seed=1)


def net() -> ms.Network:
    return ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(3))


def small(data, **options):
    defaults = {"batch_sizes": [4, 32, "full"], "seeds": 3, "optimizer": ms.SGD(lr=0.1)}
    return ms.study(net(), data, **(defaults | options))


@pytest.fixture(scope="module")
def finished(blobs, known_step_times):
    return small(blobs)


def test_every_batch_size_is_answered(finished, blobs):
    result = finished.result
    assert [b.batch_size for b in result.batch_sizes] == [4, 32, len(blobs)]
    assert [b.full for b in result.batch_sizes] == [False, False, True]
    assert result.optimizer == "SGD()"  # as it would be written, without the rate that is tuned
    for b in result.batch_sizes:
        assert b.steps_to_target.reached == 3 and b.steps_to_target.censored == 0
        assert 0 < b.steps_to_target.low <= b.steps_to_target.median <= b.steps_to_target.high
        assert_allclose(b.examples_to_target.median, b.batch_size * b.steps_to_target.median)
        assert_allclose(b.seconds_to_target.median, b.step_seconds * b.steps_to_target.median)
        assert not b.lr_on_edge
        assert b.memory_bytes == ms.memory_plan(net(), (8,), b.batch_size, ms.SGD(lr=0.1)).bytes or b.full
    steps = [b.steps_to_target.median for b in result.batch_sizes]
    assert steps[0] > steps[1] >= 0.8 * steps[2]
    assert finished.recommendation.batch_size in (4, 32, len(blobs))
    assert result.fit.b_crit_low <= result.fit.b_crit <= result.fit.b_crit_high


def test_files_are_written_and_valid(finished, tmp_path):
    report = finished.save(tmp_path)
    assert report == tmp_path / "report.html"
    document = json.loads((tmp_path / "study.json").read_text(), parse_constant=pytest.fail)
    whole = {"data", "model", "optimizer", "target", "batch_sizes", "fit", "recommendation", "environment", "command"}
    assert whole <= document.keys()
    assert {"batch_size", "lr", "lr_on_edge", "steps_to_target", "examples_to_target", "seconds_to_target"} <= (
        document["batch_sizes"][0].keys()
    )
    assert {"median", "low", "high", "reached", "censored"} == document["batch_sizes"][0]["steps_to_target"].keys()
    assert 'src="http' not in report.read_text() and 'href="http' not in report.read_text()


def test_same_study_same_answer(finished, blobs):
    again = small(blobs, threads=1)
    for one, two in zip(finished.result.batch_sizes, again.result.batch_sizes, strict=True):
        assert one.lr == two.lr
        assert_allclose(one.steps_to_target.median, two.steps_to_target.median, rtol=1e-9)


def test_a_continued_study_trains_only_what_is_missing(blobs, tmp_path):
    whole = small(blobs, out=tmp_path, threads=1)
    path = tmp_path / "cells.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]))
    new = []
    again = small(blobs, out=tmp_path, threads=1, on_event=lambda kind, facts: new.append((kind, facts)))
    assert any("continuing" in str(facts.get("text")) for kind, facts in new if kind == "note")
    assert len(path.read_text().splitlines()) == len(lines)
    assert sorted(json.loads(line)["lr"] for line in lines) == sorted(
        json.loads(line)["lr"] for line in path.read_text().splitlines()
    )
    for one, two in zip(whole.result.batch_sizes, again.result.batch_sizes, strict=True):
        assert one.lr == two.lr
        assert_allclose(one.steps_to_target.median, two.steps_to_target.median, rtol=1e-6)


@pytest.mark.parametrize("after", [3, 10, 25])
def test_a_study_that_was_interrupted_ends_with_the_same_cells_to_the_last_bit(blobs, tmp_path, after):
    def interrupt(kind, facts):
        if kind == "progress" and facts["done"] >= after:
            raise KeyboardInterrupt

    part, whole = tmp_path / "part", tmp_path / "whole"
    with pytest.raises(KeyboardInterrupt):
        small(blobs, out=part, on_event=interrupt, seeds=4)
    kept = (part / "cells.jsonl").read_text().splitlines()
    assert len(kept) >= after and not (part / "study.json").exists()
    assert small(blobs, out=part, seeds=4, threads=1).recommendation.batch_size is not None
    small(blobs, out=whole, seeds=4)
    assert set(kept) <= set((part / "cells.jsonl").read_text().splitlines())
    assert (part / "cells.jsonl").read_bytes() == (whole / "cells.jsonl").read_bytes()


def test_so_does_one_of_convolutions(tmp_path, monkeypatch):
    monkeypatch.setattr(pilot_runs, "STEPS", 40)
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = rng.normal(size=(120, 6, 6, 1)) + np.where(y, 2.0, 0.0)[:, None, None, None] * np.eye(6)[..., None]
    images = ms.Dataset.from_arrays(x.astype(np.float32), y, validation=0.3, seed=0)

    def cells(folder, **options):
        layers = ms.Conv2d(4, 3), ms.BatchNorm(), ms.ReLU(), ms.MaxPool2d(2), ms.Flatten(), ms.Linear(2)
        given = {"batch_sizes": [8, 32], "seeds": 2, "learning_rates": [0.003, 0.01], "target_loss": 0.45}
        ms.study(ms.Network(*layers), images, out=folder, **given, **options)
        return (folder / "cells.jsonl").read_bytes()

    def interrupt(kind, facts):
        if kind == "progress" and facts["done"] >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cells(tmp_path / "part", on_event=interrupt)
    assert cells(tmp_path / "part", threads=1) == cells(tmp_path / "whole")


def test_the_losers_of_the_race_get_no_further_seeds(blobs):
    batch = small(blobs, batch_sizes=[32], seeds=5).result.batch_sizes[0]
    row = next(k for k, each in enumerate(batch.lr_grid) if each.lr == batch.lr)
    seeds = [each.seeds for each in batch.lr_grid]
    assert {2, 5} == set(seeds) and seeds[row - 1 : row + 2] == [5, 5, 5]


def test_what_the_budget_leaves_open_is_said(blobs, monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(sweep, "perf_counter", lambda: 1e9 if next(clock) > 3 else 0.0)
    result = small(blobs, budget="1h", threads=1).result
    assert any("60 min left no time for batch size" in text for text in result.left_open)
    assert any("open" in text for text in result.left_open)


def test_time_goes_first_to_what_is_expected_to_need_it(monkeypatch):
    """Two batch sizes, one after the other: a half each, unless the first is expected to take longer than that."""
    monkeypatch.setattr(sweep, "perf_counter", lambda: 0.0)
    given: list[float] = []
    monkeypatch.setattr(
        Search, "search", lambda self, b, lr, steps, deadline: given.append(deadline) or never_reached(b)
    )
    baseline = Baseline("val_accuracy", 0.5, 0.01, "0", 100, None)
    for step_seconds, first in ((1e-9, 50.0), (0.01, 80.0), (1.0, 100.0)):
        pilot = Pilot(TARGET, 32, 0.1, 100, step_seconds, 0.9, baseline, True, True, 7)
        search = Search(None, (0, 1), [0.1] * 40, TARGET, None, 0, None, print, Event(), deadline=100.0)  # type: ignore[arg-type]
        given.clear()
        search.chain([32, 64], pilot)
        assert given[0] == pytest.approx(first) and given[-1] == 100.0


def test_a_stack_notices_the_deadline_between_evaluations(blobs, monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(stack, "perf_counter", lambda: float(next(clock)))
    heard: list[Cell] = []
    trial, unreached = Trial(net(), blobs), Target("val_accuracy", 2.0)
    for to_target, steps in ((True, 0), (False, 100)):
        budget = Budget(1000, 100, to_target, deadline=next(clock) + 5.0)
        cells = train_stack(trial, 32, [(0.1, 0)], unreached, budget, math.inf, heard.extend, Event())
        assert [cell.steps for cell in cells] == [steps] and not heard, "cut short, and not kept"


def test_a_batch_size_whose_step_exceeds_the_memory_is_left_out(blobs, monkeypatch):
    notes = []
    plan = ms.memory_plan(net(), (8,), 32, ms.SGD(lr=0.1))
    monkeypatch.setattr(run, "half_of_memory", lambda: 2 * plan.bytes)
    result = small(blobs, on_event=lambda kind, facts: notes.append(facts["text"])).result
    assert [b.batch_size for b in result.batch_sizes] == [4, 32]
    assert any("batch size 300 is left out: a step of it needs" in note for note in notes)
    assert any("stacks cut to fit into that" in note for note in notes)
    monkeypatch.setattr(run, "half_of_memory", lambda: 1000)
    with pytest.raises(ms.MemoryLimitError, match="half of the memory"):
        small(blobs)


CHANGES = [
    lambda d: d.train.x.__setitem__((7, 3), 0.0),
    lambda d: d.validation.x.__setitem__((7, 3), 0.0),
    lambda d: d.train.y.__setitem__(7, 1 - min(d.train.y[7], 1)),
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_row_is_part_of_what_identifies_a_study(change):
    data, other = rings(), rings()
    change(other)
    assert fingerprint(data) == fingerprint(rings()) != fingerprint(other)


def test_layers_of_ones_own_are_part_of_what_identifies_a_study():
    def layer(factor, array, constant):
        class Own(ms.ReLU):
            def __init__(self):
                super().__init__()
                self.factor, self.array = factor, array

            def scale(self):
                return constant

        return settings_of(ms.Network(ms.Linear(3), Own()))

    same = layer(2.0, np.ones(3), 5)
    assert same == layer(2.0, np.ones(3), 5)
    assert same != layer(3.0, np.ones(3), 5)
    assert same != layer(2.0, np.array([1.0, 1, 2]), 5)
    assert same != layer(2.0, np.ones(3), 6)


def test_a_folder_of_another_study_is_refused(blobs, tmp_path):
    small(blobs, out=tmp_path, batch_sizes=[32], seeds=1)
    with pytest.raises(ms.ArgumentError, match="batch_sizes"):
        small(blobs, out=tmp_path, batch_sizes=[16], seeds=1)


def test_a_folder_of_other_initial_weights_is_refused(blobs, tmp_path):
    def one(init):
        net = ms.Network(ms.Linear(3, init=init))
        ms.study(net, blobs, out=tmp_path, batch_sizes=[32], seeds=1, target_accuracy=0.8)

    one(ms.init.HeNormal())
    with pytest.raises(ms.ArgumentError, match="weights"):
        one(ms.init.XavierNormal())


def test_given_learning_rates_are_not_extended_and_an_edge_is_flagged(blobs):
    result = small(blobs, batch_sizes=[32], learning_rates=[0.001, 0.01], target_accuracy=0.8).result
    assert [row.lr for row in result.batch_sizes[0].lr_grid] == [0.001, 0.01]
    assert result.batch_sizes[0].lr == 0.01 and result.batch_sizes[0].lr_on_edge
    assert result.target == Target("val_accuracy", 0.8)


def test_an_unreachable_target_is_censored_and_nothing_is_recommended():
    result = small(rings(wrong=0.4), batch_sizes=[16], learning_rates=[0.1], seeds=2, target_accuracy=0.99).result
    row = result.batch_sizes[0]
    assert (row.steps_to_target.reached, row.steps_to_target.censored) == (0, 2)
    assert math.isinf(row.steps_to_target.median)
    assert result.recommendation.batch_size is None
    assert "No batch size reached" in result.recommendation.why


def test_regression_runs_to_a_coefficient_of_determination():
    network = ms.Network(ms.Linear(1))
    result = ms.study(network, linear_problem(), batch_sizes=[8, 64], seeds=2).result
    assert result.target.metric == "val_r2" and 0 < result.target.value < 1
    assert all(b.steps_to_target.reached == 2 and b.val_accuracy is None for b in result.batch_sizes)


@pytest.mark.parametrize(("budget", "steps"), [("steps:40", 40), ("epochs:2", 2 * (300 // 32))])
def test_fixed_budgets_train_every_cell_to_the_end(blobs, tmp_path, budget, steps):
    small(blobs, batch_sizes=[32], seeds=2, train_for=budget, out=tmp_path)
    cells = [json.loads(line) for line in (tmp_path / "cells.jsonl").read_text().splitlines()]
    assert {cell["steps"] for cell in cells if not cell["diverged"]} == {steps}


def test_a_target_in_balanced_accuracy_counts_every_class_alike():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 4)).astype(np.float32)
    data = ms.Dataset.from_arrays(x, (x[:, 0] > 1.2).astype(int), validation=0.3, seed=0)
    network = ms.Network(ms.Linear(2))
    result = ms.study(network, data, batch_sizes=[8, 32], seeds=2, target_balanced_accuracy=0.9).result
    assert str(result.target) == "90% balanced validation accuracy"
    assert all(b.steps_to_target.reached == 2 for b in result.batch_sizes) and result.baseline.value == 0.5


def test_a_target_in_r2_is_relative_to_the_mean():
    data = linear_problem()
    result = ms.study(ms.Network(ms.Linear(1)), data, batch_sizes=[8, 32], seeds=2, target_r2=0.9).result
    assert result.target.metric == "val_r2" and result.target.loss_of_mean > 0
    assert all(b.steps_to_target.reached == 2 for b in result.batch_sizes)


@pytest.mark.parametrize(
    ("kind", "metric"), [("classes", "r2"), ("values", "accuracy"), ("values", "balanced_accuracy")]
)
def test_a_metric_that_the_task_does_not_have_is_refused(blobs, kind, metric):
    data = blobs if kind == "classes" else linear_problem()
    with pytest.raises(ms.DataError, match=f"target_{metric} must be used with"):
        ms.study(net(), data, **{f"target_{metric}": 0.9})


def test_a_budget_bounds_the_pilot(blobs):
    with pytest.raises(ms.ArgumentError, match="budget must be enough time for at least one batch size"):
        small(blobs, budget="0.00001s")


def test_momentum_raises_the_critical_batch_size():
    data = ms.datasets.digits(validation=0.2, seed=0)
    network = ms.Network(ms.Linear(32), ms.ReLU(), ms.Linear(10))
    b_crit = {}
    for momentum in (0.0, 0.9):
        optimizer = ms.SGD(lr=0.1, momentum=momentum)
        result = ms.study(
            network, data, optimizer=optimizer, batch_sizes=[4, 32, 256, "full"], target_accuracy=0.92, seeds=3
        ).result
        assert not any(b.lr_on_edge for b in result.batch_sizes)
        b_crit[momentum] = result.fit.b_crit
    assert b_crit[0.9] > 1.3 * b_crit[0.0]


def test_cells_of_a_stack_equal_single_training_runs(blobs):
    trial = Trial(net(), blobs, ms.SGD(lr=1.0), None, "float64", "cpu")
    target, budget = Target("val_accuracy", 0.9), Budget(200, 5)
    pairs = [(lattice(k), seed) for k in (-6, -4, -2) for seed in (0, 1)]

    def run(cells):
        return train_stack(trial, 16, cells, target, budget, math.inf, lambda _: None, Event())

    together = run(pairs)
    for pair, cell in zip(pairs, together, strict=True):
        (alone,) = run([pair])
        # with its stack a training run may be cut off as hopeless; what it reached is the same
        if cell.reached:
            assert_allclose(cell.steps_to_target, alone.steps_to_target, rtol=1e-9)
            assert_allclose(cell.train_loss, alone.train_loss, rtol=1e-9)


def test_diverging_cells_are_said_to_diverge(blobs):
    trial = Trial(net(), blobs, ms.SGD(lr=1.0), None, "float32", "cpu")
    with np.errstate(all="ignore"):
        target, budget = Target("val_accuracy", 0.8), Budget(300, 5)
        cells = train_stack(trial, 16, [(1e9, 0), (0.1, 0)], target, budget, math.inf, lambda _: None, Event())
    assert cells[0].diverged and not cells[0].reached
    assert cells[1].reached and not cells[1].diverged


def test_a_stopped_stack_says_so(blobs):
    stop = Event()
    stop.set()
    trial = Trial(net(), blobs, ms.SGD(lr=1.0), None, "float32", "cpu")
    with pytest.raises(Stopped):
        train_stack(trial, 16, [(0.1, 0)], Target("val_accuracy", 0.99), Budget(100, 5), math.inf, print, stop)


BAD = [
    ({"seeds": 0}, "seeds must be the number of seeds"),
    ({"target_accuracy": 1.5}, "target_accuracy must be a number in (0, 1]"),
    ({"target_accuracy": 0.9, "target_loss": 0.1}, "target_loss must be None with target_accuracy"),
    ({"target_accuracy": 0.01}, "harder than"),
    ({"target_r2": 1.5}, "target_r2 must be a number in (0, 1]"),
    ({"target_accuracy": 0.9, "target_balanced_accuracy": 0.9}, "target_balanced_accuracy must be None with"),
    ({"target_balanced_accuracy": 0.34}, "harder than"),
    ({"train_for": "epoch:5"}, "train_for must be 'target', 'epochs:N' or 'steps:N'"),
    ({"batch_sizes": [0]}, "batch_sizes must be integers"),
    ({"learning_rates": [-1.0]}, "learning_rates must be positive"),
    ({"memory_limit": "much"}, "memory_limit must be a whole number of bytes"),
]


@pytest.mark.parametrize(("options", "text"), BAD, ids=lambda v: str(v)[:40])
def test_bad_arguments(blobs, options, text, tmp_path):
    with pytest.raises(ms.ArgumentError) as caught:
        small(blobs, **options)
    assert text in str(caught.value)


def test_batch_normalisation_with_one_example_is_refused_before_anything_is_written(blobs, tmp_path):
    network = ms.Network(ms.Linear(8), ms.BatchNorm(), ms.ReLU(), ms.Linear(3))
    with pytest.raises(ms.ShapeError, match="at least two values per channel"):
        ms.study(network, blobs, batch_sizes=[1, 16], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_batch_normalisation_is_not_judged_at_chance_after_few_updates(tmp_path):
    hidden = [layer for n in (64, 32) for layer in (ms.Linear(n), ms.BatchNorm(), ms.ReLU())]
    few = {"batch_sizes": ["full"], "learning_rates": [0.1], "seeds": 2, "train_for": "steps:6", "out": tmp_path}
    optimizer = ms.SGD(lr=1, momentum=0.9)
    ms.study(ms.Network(*hidden, ms.Linear(10)), ms.datasets.digits(validation=0.2), optimizer=optimizer, **few)
    cells = [json.loads(line) for line in (tmp_path / "cells.jsonl").read_text().splitlines()]
    assert min(cell["val_accuracy"] for cell in cells) > 0.65  # 0.54 and 0.57 by PyTorch's rule


def test_batch_sizes_by_default_leave_out_what_batch_normalisation_cannot_take(blobs):
    network = ms.Network(ms.Linear(8), ms.BatchNorm(), ms.ReLU(), ms.Linear(3))
    found = ms.study(network, blobs, seeds=2, learning_rates=[0.1], train_for="steps:10")
    assert [row.batch_size for row in found.result.batch_sizes] == [4, 16, 64, 300]
