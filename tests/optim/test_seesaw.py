"""Seesaw: the schedule, and its risk on a noisy linear regression, where the recursion is exact."""

from __future__ import annotations

from math import cos, pi, sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.errors import ArgumentError
from minisgd.optim import Cosine, InverseToRate, Progress, StableDecay, StepDecay, seesaw


def at(epoch=0.0, fraction=0.0, batch_size=1):
    return Progress(step=0, epoch=epoch, fraction=fraction, batch_size=batch_size)


def values(schedules, epoch=0.0, fraction=0.0):
    lr, sizes = schedules
    size = sizes(at(epoch, fraction))
    return size, lr(at(epoch, fraction, size))


def test_a_halving_becomes_a_root_of_a_half_and_a_doubling():
    both = seesaw(StepDecay(0.1, factor=0.5, every=2), batch_size=8, largest=32)
    assert values(both, epoch=1) == (8, 0.1)
    assert_allclose(values(both, epoch=2), (16, 0.1 / sqrt(2)))
    assert_allclose(values(both, epoch=4), (32, 0.05))
    assert_allclose(values(both, epoch=6), (32, 0.025))  # the batch cannot grow: the rate is halved


def test_the_stable_part_of_a_schedule_grows_nothing():
    both = seesaw(StableDecay(0.1, decay=0.5), batch_size=8, largest=1024)
    assert values(both, fraction=0.4) == (8, 0.1)
    assert_allclose(values(both, fraction=0.75), (16, 0.05 * sqrt(2)))
    assert values(both, fraction=1.0)[0] == 1024


def risk(steps, h, noise):
    """E ½ Σ h w² after normalised SGD, w ← w − lr g / √E|g|², from w = 1 on Gaussian features: steps (lr, B)."""
    square = np.ones_like(h)
    for lr, batch in steps:
        variance = (h**2 * square + h * (h @ square) + noise * h) / batch  # of the mean gradient, by coordinate
        rate = lr / sqrt(h**2 @ square + variance.sum())
        square = (1 - rate * h) ** 2 * square + rate**2 * variance
    return 0.5 * h @ square


def course(schedules, examples):
    """The (lr, B) of every update of a training run on so many examples."""
    seen = 0
    while seen < examples:
        size, lr = values(schedules, fraction=seen / examples)
        yield lr, size
        seen += size


def test_equal_risk_at_equal_examples_in_two_thirds_of_the_updates():
    """Under lr · cos(π/2 · t) at most 1 − 2/π of the updates are saved; where noise dominates, the risk is the same."""
    h, noise, examples, batch = np.geomspace(1, 0.1, 10), 100.0, 400_000, 16

    def decay(progress):
        return 0.02 * cos(pi / 2 * progress.fraction)

    plain = [(decay(at(fraction=i * batch / examples)), batch) for i in range(examples // batch)]
    grown = list(course(seesaw(decay, batch_size=batch, largest=4096), examples))
    assert_allclose(risk(grown, h, noise), risk(plain, h, noise), rtol=0.03)
    saved = 1 - len(grown) / len(plain)
    assert 0.9 * (1 - 2 / pi) < saved <= 1 - 2 / pi + 1e-3


def test_a_training_run_follows_both():
    x = np.random.default_rng(0).normal(size=(64, 3))
    lr, sizes = seesaw(Cosine(0.1), batch_size=8, largest=32)
    run = ms.train(ms.Network(ms.Linear(1)), (x, x.sum(1)), optimizer=ms.SGD(lr), batch_size=sizes, epochs=6)
    grown = [record["batch_size"] for record in run.history]
    assert grown[0] == 8 and grown[-1] == 32 and grown == sorted(grown)
    assert run.steps < 6 * 8


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: seesaw("cosine", batch_size=8, largest=32), "decay"),
        (lambda: seesaw(Cosine(0.1), batch_size=0, largest=32), "start"),
        (lambda: InverseToRate(Cosine(0.1), 64, 32), "largest"),
    ],
)
def test_wrong_arguments_are_refused(call, argument):
    with pytest.raises(ArgumentError, match=f"^{argument}"):
        call()
