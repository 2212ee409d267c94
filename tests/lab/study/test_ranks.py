"""What several ranks would take: the simulation at its limits."""

import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.lab.study.fit import StepsFit
from minisgd.lab.study.ranks import resolve_ranks, simulate_ranks
from minisgd.lab.timing.all_reduce import AllReduce
from minisgd.lab.timing.fit import StepTimeFit

FREE, RANKS = AllReduce(0.0, float("inf")), (1, 8, 64, 1024)


def test_perfect_scaling_with_a_free_all_reduce():
    """S = E/B, no overhead: n ranks take 1/n of the time either way."""
    found = simulate_ranks(RANKS, 2048, StepsFit(0.0, 1e6, 0.0), StepTimeFit(0.0, 1e5, 0.0), FREE, 4000)
    for way in (found.divided, found.grown):
        assert_allclose(way, [way[0] / n for n in RANKS])
    assert found.knee == float("inf") and "larger than the critical" not in str(found)


def test_beyond_the_critical_batch_size_more_ranks_bring_nothing():
    found = simulate_ranks(RANKS, 64, StepsFit(100.0, 0.0, 0.0), StepTimeFit(0.0, 1e5, 0.0), FREE, 4000)
    assert_allclose(found.grown, found.grown[0])
    assert found.knee == 1 and "Beyond one rank their batch is larger" in str(found)


def test_at_the_knee_the_steps_are_twice_the_fewest():
    fit = StepsFit(50.0, 50.0 * 512, 0.0)
    found = simulate_ranks((1, 8), 64, fit, StepTimeFit(1.0, float("inf"), 0.0), FREE, 4000)
    assert found.knee == 8
    assert_allclose(found.grown[1], 100.0)


def test_an_all_reduce_costs_what_it_takes_and_a_share_is_one_example_at_least():
    reduce = AllReduce(1e-3, 1e6)
    found = simulate_ranks((1, 8), 4, StepsFit(10.0, 0.0, 0.0), StepTimeFit(0.0, 1e3, 0.0), reduce, 8000)
    assert_allclose(found.all_reduce, [0.0, 6e-3 + 14e-3])
    assert_allclose(found.divided[1], 10 * (1e-3 + 20e-3))


def test_numbers_of_ranks_begin_with_one():
    assert resolve_ranks([64, 8, 8]) == (1, 8, 64) and resolve_ranks(None) == ()
    for wrong in ([0], [2.5], [True], 8):
        with pytest.raises(ms.MinisgdError, match="ranks must be positive integers"):
            resolve_ranks(wrong)
