"""Learning-rate schedules at the points where their value is known."""

from __future__ import annotations

from math import cos, pi

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.errors import ArgumentError
from minisgd.optim import (
    Constant,
    Cosine,
    OneCycle,
    Progress,
    ScaledByBatch,
    StableDecay,
    StepDecay,
    Warmup,
    as_schedule,
)
from minisgd.optim.learning_rate import rate_at


def at(epoch: float = 0.0, fraction: float = 0.0, batch_size: int = 32, step: int = 0) -> Progress:
    return Progress(step=step, epoch=epoch, fraction=fraction, batch_size=batch_size)


def test_a_number_is_a_constant():
    assert as_schedule(0.1) == Constant(0.1)
    assert as_schedule(1)(at(epoch=7)) == 1.0


def test_a_function_is_a_schedule():
    assert as_schedule(lambda progress: 1 / (1 + progress.step))(at(step=3)) == 0.25


@pytest.mark.parametrize("epoch, lr", [(0, 0.8), (9.99, 0.8), (10, 0.4), (19.99, 0.4), (20, 0.2), (35, 0.1)])
def test_step_decay(epoch, lr):
    assert_allclose(StepDecay(0.8, factor=0.5, every=10)(at(epoch)), lr, rtol=1e-15)


@pytest.mark.parametrize("fraction, lr", [(0, 1.0), (1 / 3, 0.775), (0.5, 0.55), (1, 0.1)])
def test_cosine(fraction, lr):
    assert_allclose(Cosine(1.0, final=0.1)(at(fraction=fraction)), lr, rtol=1e-14)


def test_warmup_is_linear_and_then_leaves_the_schedule_alone():
    warm = Warmup(0.4, epochs=5, start=0.25)
    assert_allclose([warm(at(e)) for e in (0, 2.5, 5, 6, 100)], [0.1, 0.25, 0.4, 0.4, 0.4], rtol=1e-15)
    wrapped = Warmup(Cosine(1.0), epochs=2)
    assert_allclose(wrapped(at(1, fraction=0.25)), 0.55 * (1 + cos(pi / 4)) / 2)


def test_one_cycle():
    cycle = OneCycle(2.0, rise=0.25, start=0.1, end=0.01)
    values = [cycle(at(fraction=f)) for f in (0, 0.125, 0.25, 0.625, 1)]
    assert_allclose(values, [0.2, 1.1, 2.0, 1.01, 0.02], rtol=1e-14)
    assert_allclose(OneCycle(1.0, rise=0.0)(at()), 1.0)


@pytest.mark.parametrize("length", [{"epochs": 3}, {"steps": 17}, {"epochs": 2.5}, {"epochs": 1}, {"steps": 2}])
def test_one_cycle_ends_where_it_says(length):
    rates = []

    class Rates(ms.Callback):
        def on_step(self, training):
            rates.append(training.session.lr)

    cycle, x = OneCycle(0.5, start=0.1, end=0.01), np.ones((20, 2), np.float32)
    ms.train(ms.Network(ms.Linear(2)), (x, np.arange(20) % 2), optimizer=ms.SGD(lr=cycle), batch_size=4,
             callbacks=[Rates()], **length)  # fmt: skip
    assert_allclose([rates[0], rates[-1]], [0.05, 0.005], rtol=1e-12)
    assert max(rates) <= 0.5


def test_one_cycle_beside_torch():
    torch = pytest.importorskip("torch", reason="torch is the oracle of this test: pip install 'minisgd[peers]'")
    steps = 41
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, total_steps=steps, pct_start=0.3)
    ours = OneCycle(0.5, rise=(0.3 * steps - 1) / (steps - 1))  # its peak is at step pct_start · steps − 1
    for step in range(steps):
        assert_allclose(ours(at(fraction=step / (steps - 1))), theirs.get_last_lr()[0], rtol=1e-9)
        if step < steps - 1:
            optimizer.step()
            theirs.step()


def test_schedules_print_as_they_are_written():
    assert repr(Warmup(Cosine(0.1), epochs=5)) == "Warmup(lr=Cosine(lr=0.1, final=0.0), epochs=5, start=0.1)"
    assert repr(ScaledByBatch(0.1, reference=32)) == "ScaledByBatch(lr=0.1, reference=32, rule='linear')"


@pytest.mark.parametrize(
    "make, argument",
    [
        (lambda: Constant(0), "lr"),
        (lambda: Constant(float("nan")), "lr"),
        (lambda: as_schedule("fast"), "lr"),
        (lambda: as_schedule(Cosine), "lr"),
        (lambda: as_schedule(-1, "rate"), "rate"),
        (lambda: StepDecay(-1, every=3), "lr"),
        (lambda: StepDecay(0.1, every=0), "every"),
        (lambda: StepDecay(0.1, every=3, factor=0), "factor"),
        (lambda: StepDecay(0.1, every=3, factor=10), "factor"),
        (lambda: Cosine(0.1, final=-0.1), "final"),
        (lambda: Cosine(True), "lr"),
        (lambda: Warmup(0, epochs=5), "lr"),
        (lambda: Warmup(0.1, epochs=0), "epochs"),
        (lambda: Warmup(0.1, epochs=5, start=0), "start"),
        (lambda: StableDecay(0), "lr"),
        (lambda: StableDecay(0.1, decay=0), "decay"),
        (lambda: StableDecay(0.1, final=-1), "final"),
        (lambda: OneCycle(0), "max_lr"),
        (lambda: OneCycle(0.1, rise=1), "rise"),
        (lambda: OneCycle(0.1, start=2), "start"),
        (lambda: OneCycle(0.1, end=0), "end"),
    ],
)
def test_nonsense_is_refused(make, argument):
    with pytest.raises(ArgumentError, match=f"^{argument} must be .*, got .*; .+"):
        make()


def test_a_schedule_that_goes_below_zero_is_refused():
    """Descent by a negative learning rate is ascent, which nobody means."""

    def linear(progress):
        return 0.1 * (1 - progress.epoch)

    assert rate_at(linear, at(epoch=1)) == 0.0
    with pytest.raises(ArgumentError, match="lr must be a schedule of numbers of at least 0, got -0.1; mend .*linear"):
        rate_at(linear, at(epoch=2))
