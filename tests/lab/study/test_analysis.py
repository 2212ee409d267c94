from __future__ import annotations

import math

import numpy as np
from numpy.testing import assert_allclose

from minisgd.lab.study.analysis import analyse
from tests.lab.study.synthetic_study import SIZES, setting, trials


def test_planted_curves_are_found(study):
    assert study.fit.b_crit_low < 100 < study.fit.b_crit_high
    assert_allclose(study.timing.t0_seconds, 60e-6, rtol=0.1)
    assert_allclose(study.timing.examples_per_second, 2.2e6, rtol=0.1)
    assert_allclose(
        study.timing.time_optimal_batch,
        math.sqrt(study.timing.knee * study.fit.b_crit),
        rtol=1e-9,
    )
    assert study.recommendation.batch_size in (64, 256)


def test_units_agree_with_each_other(any_study):
    for b in any_study.batch_sizes:
        if math.isfinite(b.steps_to_target.median):
            assert_allclose(b.examples_to_target.median, b.steps_to_target.median * b.batch_size)
            assert_allclose(b.epochs_to_target.median, b.examples_to_target.median / any_study.n_train)
            assert_allclose(b.seconds_to_target.median, b.steps_to_target.median * b.step_seconds)
        assert_allclose(b.samples_per_second, b.batch_size / b.step_seconds)


def test_each_batch_size_is_judged_at_its_best_learning_rate(study):
    for b in study.batch_sizes:
        row = next(row for row in b.lr_grid if row.lr == b.lr)
        assert row.median_steps == b.steps_to_target.median
        assert row.median_steps == min(r.median_steps for r in b.lr_grid if r.reached == len(study.seeds))
        assert b.usable_lr_low <= b.lr <= b.usable_lr_high
        assert_allclose(b.usable_lr_decades, math.log10(b.usable_lr_high / b.usable_lr_low))


def test_diverged_runs_are_counted_and_have_no_loss(study):
    worst = study.batch_sizes[0].lr_grid[-1]
    assert (worst.diverged, worst.reached, worst.train_loss) == (len(study.seeds), 0, None)


def test_full_batch_is_marked(study):
    assert [b.full for b in study.batch_sizes] == [size == 1437 for size in SIZES]


def test_regression_has_no_accuracy_but_a_loss():
    result = analyse(trials(accuracy=False), setting())
    assert all(b.val_accuracy is None for b in result.batch_sizes)
    assert all(b.train_loss is not None for b in result.batch_sizes)


def test_same_seed_same_result():
    assert analyse(trials(), setting(), seed=4) == analyse(trials(), setting(), seed=4)
    other = analyse(trials(), setting(), seed=5)
    assert other.fit.b_crit == analyse(trials(), setting(), seed=4).fit.b_crit


def test_memory_limit_reaches_the_recommendation():
    limited = analyse(trials(), setting(), memory_limit=150_000)
    assert limited.recommendation.memory_bytes <= 150_000
    assert limited.recommendation.batch_size == 4 or limited.recommendation.batch_size == 1


def test_one_censored_seed_is_counted_not_dropped():
    some = trials(sizes=(1, 16, 256))
    some[0].steps[:, 0] = np.inf
    b = analyse(some, setting()).batch_sizes[0]
    assert (b.steps_to_target.reached, b.steps_to_target.censored) == (4, 1)
