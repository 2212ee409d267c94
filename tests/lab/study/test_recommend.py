from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.lab.student import t_distribution
from minisgd.lab.study.batch_result import BatchResult
from minisgd.lab.study.draws import draw_seconds
from minisgd.lab.study.instructions import Instructions
from minisgd.lab.study.recommend import recommend
from minisgd.lab.study.statistics import CensoredMedian, censored_median
from minisgd.lab.study.target import Target

GOAL = Target("val_accuracy", 0.95)
WOBBLE = np.array([0.9, 0.95, 1.0, 1.05, 1.1])


def batch(size: int, steps: np.ndarray, step_seconds: float, memory: int) -> BatchResult:
    got: CensoredMedian = censored_median(steps, np.full(len(steps), 1e4))
    return BatchResult(
        batch_size=size,
        full=False,
        lr=0.1,
        lr_on_edge=False,
        usable_lr_low=0.05,
        usable_lr_high=0.2,
        usable_lr_decades=0.6,
        steps_to_target=got,
        examples_to_target=got.scaled(size),
        epochs_to_target=got.scaled(size / 1000),
        seconds_to_target=got.scaled(step_seconds),
        step_seconds=step_seconds,
        samples_per_second=size / step_seconds,
        memory_bytes=memory,
        train_loss=0.1,
        val_accuracy=0.95,
        max_steps=10_000,
        lr_grid=(),
    )


def advise(rows: list[tuple[int, np.ndarray, float, int]], **options):
    steps = np.array([row[1] for row in rows], dtype=float)
    batches = [batch(*row) for row in rows]
    return recommend(batches, draws(batches, steps, **options.pop("drawn", {})), GOAL, **options)


def draws(batches, steps, visits=None, n=4000):
    tables = [np.where(np.isfinite(row), row, 1e4)[None] for row in steps]
    seconds = np.array([b.step_seconds for b in batches])
    return draw_seconds(tables, [0] * len(tables), seconds, visits, np.random.default_rng(0), n)


def test_one_alone_is_not_called_the_fastest_for_certain():
    assert advise([(64, 300 * WOBBLE, 1e-3, 99)]).confidence is None


def test_fastest_is_recommended_with_its_numbers():
    got = advise([(1, 9000 * WOBBLE, 1e-4, 10), (64, 300 * WOBBLE, 1e-3, 99), (512, 200 * WOBBLE, 4e-3, 50)])
    assert (got.batch_size, got.lr, got.memory_bytes, got.confidence) == (64, 0.1, 99, 1.0)
    assert_allclose(got.seconds, 0.3)
    assert (got.runner_up.batch_size, got.runner_up.seconds) == (512, 0.8)
    assert got.why.startswith("Batch size 64 reaches 95% validation accuracy soonest")
    assert "300 ms" in got.why and "300 steps of 1 ms" in got.why and "800 ms" in got.why


def test_tie_goes_to_less_memory_and_says_so():
    slower = np.array([1.1, 0.93, 1.02, 1.08, 0.95]) * 1.01
    got = advise([(16, 300 * slower, 1e-3, 2**27), (64, 300 * WOBBLE, 1e-3, 2**30)])
    assert got.batch_size == 16
    assert got.runner_up.batch_size == 64
    assert got.confidence < 0.6
    assert "cannot distinguish" in got.why and "128 MiB against 1 GiB" in got.why


def test_tie_goes_to_the_fastest_where_nobody_would_notice_the_bytes():
    slower = np.array([1.1, 0.93, 1.02, 1.08, 0.95]) * 1.01
    got = advise([(16, 300 * slower, 1e-3, 2**20), (64, 300 * WOBBLE, 1e-3, 2**23)])
    assert (got.batch_size, got.runner_up.batch_size) == (64, 16)


def test_small_but_certain_difference_is_not_a_tie():
    # every seed is 3% slower, far less than the seeds differ among themselves: pairing sees it
    got = advise([(16, 309 * WOBBLE, 1e-3, 2**27), (64, 300 * WOBBLE, 1e-3, 2**30)])
    assert (got.batch_size, got.confidence) == (64, 1.0)


def test_unreached_batch_size_is_never_recommended():
    never = np.array([1.0, 1.0, math.inf, math.inf, math.inf])
    got = advise([(16, never, 1e-6, 1), (64, 300 * WOBBLE, 1e-3, 99)])
    assert (got.batch_size, got.runner_up) == (64, None)
    assert "soonest" not in got.why and "of no other did most seeds get there" in got.why


def test_seeds_that_did_not_get_there_are_mentioned():
    got = advise([(16, np.array([90, 95, 100, 105, math.inf]), 1e-3, 1), (64, 300 * WOBBLE, 1e-3, 99)])
    assert got.batch_size == 16
    assert "only 4 of its 5 seeds" in got.why


def test_memory_limit_rules_out_the_fastest():
    rows = [(16, 900 * WOBBLE, 1e-3, 1000), (64, 300 * WOBBLE, 1e-3, 5000)]
    got = advise(rows, memory_limit=2000)
    assert (got.batch_size, got.runner_up) == (16, None)
    assert "within 1.95 KiB" in got.why


def test_limit_below_everything_says_what_to_allow():
    got = advise([(16, 900 * WOBBLE, 1e-3, 1000), (64, 300 * WOBBLE, 1e-3, 5000)], memory_limit=10)
    assert got.batch_size is None
    assert got.why == "No batch size fits into 10 B; allow at least 0.977 KiB."


@pytest.mark.parametrize(
    "metric, advice", [("val_accuracy", "lower target accuracy"), ("val_loss", "higher target loss")]
)
def test_nothing_reached_says_what_to_do(metric, advice):
    never = np.full(5, np.inf)
    got = recommend([batch(16, never, 1e-3, 9)], None, Target(metric, 0.3))
    assert (got.batch_size, got.lr, got.seconds, got.runner_up, got.confidence) == (None,) * 5
    assert advice in got.why


@pytest.mark.parametrize("seeds", [2, 3, 5, 8])
def test_confidence_is_that_of_the_paired_t(seeds):
    logs = np.random.default_rng(seeds).normal(0, 0.2, (2, seeds))
    logs[1] += 0.15
    got = advise([(16, np.exp(logs[0]), 1.0, 1), (64, np.exp(logs[1]), 1.0, 9)], drawn={"n": 50_000})
    gap = logs[1] - logs[0]
    medians = abs(np.median(logs[1]) - np.median(logs[0]))
    expected = t_distribution(medians / (gap.std(ddof=1) / math.sqrt(seeds)), seeds - 1)
    assert_allclose(got.confidence, expected, atol=0.01)


def test_a_single_seed_gives_no_confidence():
    got = advise([(16, np.array([100.0]), 1e-3, 1), (64, np.array([90.0]), 1e-3, 9)])
    assert (got.batch_size, got.confidence, got.tied_with) == (64, None, ())


def test_visits_that_scatter_make_a_tie():
    rows = [(16, 309 * WOBBLE, 1e-3, 1), (64, 300 * WOBBLE, 1e-3, 9)]
    noisy = 1e-3 * np.exp(np.random.default_rng(0).normal(0, 0.3, (7, 2)))
    got = advise(rows, drawn={"visits": noisy})
    assert got.tied_with == (16,) and got.confidence < 0.8
    assert "batch size 16 may be as fast" in got.why


def test_recommendation_is_a_complete_call_and_command():
    rows = [(64, 300 * WOBBLE, 1e-3, 99)]
    options = (("validation", 0.2),)
    what = Instructions(ms.SGD(lr=1.0, momentum=0.9), "val_r2", 1300, ms.L1(), 3, "minisgd train --data d", options)
    got = advise(rows, instructions=what)
    assert got.steps == 450
    assert got.command == (
        "minisgd train --data d --batch-size 64 --lr 0.1 --steps 450 --last-batch drop "
        "--evaluate-every 1.1 --best-weights val_r2"
    )
    assert got.call == (
        "ms.train(network, data, optimizer=ms.SGD(lr=0.1, momentum=0.9), loss=ms.L1(), batch_size=64, steps=450, "
        "last_batch='drop', metrics=['r2'], evaluate_every=1.1, callbacks=[ms.BestWeights(metric='val_r2')], "
        "validation=0.2, seed=3)"
    )


def test_order_of_batch_sizes_does_not_matter():
    rows = [(1, 9000 * WOBBLE, 1e-4, 10), (64, 300 * WOBBLE, 1e-3, 99), (512, 200 * WOBBLE, 4e-3, 50)]
    assert advise(rows) == advise(rows[::-1])


def test_where_seeds_did_not_get_there_more_updates_are_recommended():
    rows = [(64, 300 * WOBBLE, 1e-3, 99), (128, np.array([90.0, 95, 100, 105, np.inf]), 1e-3, 99)]
    assert advise(rows[:1]).steps == 450
    assert advise(rows[1:]).steps == 200
