"""The test gap: how much worse the largest batch does than the smallest on examples that were not trained on.

A gap may come from the learning rate, from the budget, or from the batch itself, so it is taken four times: at one
learning rate for all, at rates that grow with the batch, at tuned ones, and at tuned ones with longer training.
Only what remains in the last is the batch's own doing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Effect
from minisgd.lab.claims.experiments.fixed_budget import Endings, FixedBudget
from minisgd.lab.claims.pictures import Axes, each_against_batch
from minisgd.lab.claims.setting import Setting
from minisgd.lab.claims.statistics import Estimate, log_ratio, ratio_of
from minisgd.lab.plots import BLUE, GREEN, ORANGE
from minisgd.typing import HostArray

NEAR = tuple(2.0**k for k in range(-3, 5))
"""Multiples of the pilot's learning rate among which the best one of a longer training is."""

LONG = 400
"""Steps of a longer training. Ten epochs of a thousand examples are ten steps at their largest batch: nothing to
judge a batch size by."""

HALF = math.log(1.5)
"""Margin of gaps: between one split of a few hundred validation examples and the next, the loss differs by as much."""

LITTLE = Setting(share=0.125)

EPOCHS, STEPS = FixedBudget(epochs=10), FixedBudget(steps=LONG, multiples=NEAR)
LITTLE_EPOCHS, LITTLE_STEPS = FixedBudget(LITTLE, epochs=20), FixedBudget(LITTLE, steps=LONG, multiples=NEAR)


@dataclass(frozen=True)
class Arm:
    """One way to choose learning rate and budget: losses (K, S) at batch_sizes (K,), as they then are."""

    name: str
    batch_sizes: tuple[int, ...]
    val_loss: HostArray
    train_loss: HostArray

    def gap(self) -> Estimate:
        """Estimate the log-ratio of the validation losses of the largest and the smallest batch."""
        return log_ratio(self.val_loss[-1], self.val_loss[0])

    def train_gap(self) -> Estimate:
        """Estimate the same of the training losses."""
        return log_ratio(self.train_loss[-1], self.train_loss[0])

    def effect(self, gap: Estimate, suffix: str = "") -> Effect:
        """State a gap as a ratio."""
        small, large = self.batch_sizes[0], self.batch_sizes[-1]
        return Effect.ratio(f"validation loss at batch size {large} / {small}, {self.name}{suffix}", gap)


def four_arms(epochs: Endings, steps: Endings) -> tuple[Arm, Arm, Arm, Arm]:
    """Return the arms: fixed, scaled, tuned, and tuned with longer training.

    The rate that is fixed, or that grows in proportion to the batch as far as the grid goes, is the best one of the
    smallest batch.
    """
    tuned = epochs.tuned()
    first = int(tuned[0])
    return (
        _arm("one learning rate", epochs, np.full(len(tuned), first)),
        _arm("learning rate scaled with the batch", epochs, epochs.scaled(first, 1.0)),
        _arm("tuned learning rate", epochs, tuned),
        longer(epochs, steps),
    )


def longer(epochs: Endings, steps: Endings) -> Arm:
    """Return the arm with tuned rates in which every batch size has the budget that gives it more steps."""
    name = "tuned learning rate, longer training"
    return Arm(name, epochs.batch_sizes, *(longest(epochs, steps, value) for value in ("val_loss", "train_loss")))


def longest(epochs: Endings, steps: Endings, value: str, by: str = "val_loss") -> HostArray:
    """Return a number, at the best learning rate, of the budget with more steps at every batch size, (K, S)."""
    tables = [known(runs.at(value, runs.tuned(by))) for runs in (epochs, steps)]
    taken = [np.nanmax(runs.table("steps"), axis=(1, 2)) for runs in (epochs, steps)]
    return np.where((taken[1] > taken[0])[:, None], tables[1], tables[0])


def known(losses: HostArray) -> HostArray:
    """Count what diverged as infinitely bad."""
    return np.where(np.isfinite(losses), losses, math.inf)


def _arm(name: str, runs: Endings, columns: HostArray) -> Arm:
    losses = [known(runs.at(value, columns)) for value in ("val_loss", "train_loss")]
    return Arm(name, runs.batch_sizes, losses[0], losses[1])


def times(estimate: Estimate) -> str:
    """State a log-ratio as so many times."""
    ratio = ratio_of(estimate).value
    return f"{ratio:.2f} times" if ratio < 10 else f"{words.count(ratio)} times"


def draw(ax: Axes, arms: tuple[Arm, ...]) -> None:
    """Draw the validation losses of arms against batch size."""
    tables = {arm.name: arm.val_loss for arm in arms}
    each_against_batch(ax, arms[0].batch_sizes, tables, "validation loss", colors=(ORANGE, BLUE, GREEN))
