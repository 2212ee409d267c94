"""Training until a target is reached, at every batch size with its learning rate tuned."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any, ClassVar

import numpy as np

from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.lab import Lab
from minisgd.lab.claims.setting import Setting
from minisgd.lab.claims.statistics import Estimate
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.fit import FitInterval, fit_with_interval
from minisgd.lab.study.outcome import Outcome
from minisgd.lab.study.pilot import MEASURABLE
from minisgd.lab.study.statistics import BestLearningRate, best_learning_rate
from minisgd.lab.study.sweep import FIRST_SEEDS, Search
from minisgd.lab.study.target import Target
from minisgd.typing import HostArray

HALF_WINDOW = 2
"""Learning rates tried on each side of the expected best one, at first: fewer than in a study, which is also asked for
the usable range."""

CHOSEN = (
    "The learning rate of a batch size is the one that takes the fewest median steps; for the interval it is chosen "
    "again without each seed in turn."
)
"""How the experiments that compare steps to a target choose learning rates, in words."""

IN_RACE = 3
"""Learning rates that get all seeds, about: the best and its neighbours."""


@dataclass(frozen=True)
class TargetRuns:
    """What training runs to a target did.

    batch_sizes (K,) ascending; at each, learning_rates (L,) ascending, steps (L, S) to the target, infinite where
    it was never reached, and loss (L, S), the validation loss at the end. L differs from one batch size to the
    next: a grid is extended until its best is inside. Seeds are paired throughout. Learning rates that lost the race
    were not tried with all seeds: there ran (L, S) is false, and steps are infinite.
    """

    batch_sizes: tuple[int, ...]
    learning_rates: tuple[HostArray, ...]
    steps: tuple[HostArray, ...]
    loss: tuple[HostArray, ...]
    ran: tuple[HostArray, ...]
    n_train: int
    target: Target

    @property
    def seeds(self) -> int:
        """S, the number of seeds."""
        return int(self.steps[0].shape[1])

    @property
    def training_runs(self) -> int:
        """The number of training runs in all."""
        return sum(int(table.sum()) for table in self.ran)

    def first(self, seeds: int) -> TargetRuns:
        """Return the training runs of the first seeds."""
        return self._of(slice(seeds))

    def _of(self, seeds: Any) -> TargetRuns:
        steps, loss, ran = (tuple(t[:, seeds] for t in tables) for tables in (self.steps, self.loss, self.ran))
        return replace(self, steps=steps, loss=loss, ran=ran)

    def best(self) -> list[BestLearningRate]:
        """Return the best learning rate at every batch size, and whether it is on the edge of its grid."""
        tables = zip(self.learning_rates, self.steps, self.loss, self.ran, strict=True)
        return [best_learning_rate(*row) for row in tables]

    @property
    def best_steps(self) -> HostArray:
        """Steps to the target at the best learning rate of each batch size, (K, S)."""
        return np.stack([steps[best.index] for steps, best in zip(self.steps, self.best(), strict=True)])

    @property
    def best_examples(self) -> HostArray:
        """Examples to the target at the best learning rate of each batch size, (K, S)."""
        return np.asarray(self.best_steps * np.array(self.batch_sizes)[:, None])

    @property
    def best_epochs(self) -> HostArray:
        """Epochs to the target at the best learning rate of each batch size, (K, S)."""
        return np.asarray(self.best_examples / self.n_train)

    def log_ratio(self, k: int, other: int) -> Estimate:
        """Estimate the log-ratio of the steps at two batch sizes, over paired seeds.

        The learning rates are chosen again without each seed in turn: the t interval is that of the jackknife's
        pseudo-values (Tukey 1958), which are the seeds' own log-ratios where the choice stays as it is.
        """
        each, seeds = self._log_ratios(k, other), self.seeds
        if seeds < 2 or not np.isfinite(each).all():
            return Estimate.mean(each)
        without = [self._of(np.arange(seeds) != s)._log_ratios(k, other).mean() for s in range(seeds)]
        return Estimate.mean(each.mean() + (seeds - 1) * (np.mean(without) - np.array(without)))

    def _log_ratios(self, k: int, other: int) -> HostArray:
        steps = self.best_steps
        with np.errstate(invalid="ignore"):  # infinity over infinity is not a number: neither got there
            return np.asarray(np.log(steps[k]) - np.log(steps[other]))

    def critical(self, level: float = 0.95) -> FitInterval:
        """Fit S(B) = Smin + Emin/B; the critical batch size is Emin/Smin."""
        return fit_with_interval(self.batch_sizes, self.best_steps, level)

    def cautions(self) -> tuple[str, ...]:
        """State where the best learning rate is on the edge of its grid, and where seeds did not reach the target."""
        steps = self.best_steps
        on_edge = [best.on_edge for best in self.best()]
        hasty = [np.median(row) < MEASURABLE for row in steps]
        missed = [not np.isfinite(row).all() for row in steps]
        found = (
            (on_edge, "the best learning rate is on the edge of its grid"),
            (hasty, f"the target takes fewer than {MEASURABLE} steps: too few to be told apart well"),
            (missed, "some seeds never got there; they count as infinitely slow"),
        )
        sizes = [", ".join(map(str, compress(self.batch_sizes, where))) for where, _ in found]
        return tuple(f"At batch size {at} {what}." for at, (_, what) in zip(sizes, found, strict=True) if at)


@dataclass(frozen=True)
class RunToTarget(Experiment[TargetRuns]):
    """Train at every batch size until the target, over a grid of learning rates that extends itself.

    Every learning rate gets FIRST_SEEDS; those that may be the best get the others.

    batch_sizes: by default the lab's   target_of: the setting whose pilot sets the target, by default that of the
    same data and network under plain SGD, so that optimizers race to the same line
    """

    entries: ClassVar[type[Any] | None] = Cell

    setting: Setting = Setting()
    batch_sizes: tuple[int, ...] = ()
    target_of: Setting | None = None

    @property
    def name(self) -> str:
        parts = [self.setting.name, "to-target"]
        parts += [f"of-{self.target_of.name}"] if self.target_of else []
        return "-".join([*parts, *map(str, self.batch_sizes)])

    def seconds(self, lab: Lab) -> float:
        pilot, trial = lab.pilot(self.setting, self.target_of), lab.trial(self.setting)
        first = min(FIRST_SEEDS, len(lab.seeds))
        cells = first * (2 * HALF_WINDOW + 1) + (len(lab.seeds) - first) * IN_RACE
        steps = 1.5 * pilot.steps  # at the batch size of the pilot and at larger ones; at smaller ones more
        sizes = lab.within(trial, self.batch_sizes)
        return cells * sum(pilot.seconds(b, steps * max(1.0, pilot.batch_size / b)) for b in sizes)

    def run(self, lab: Lab) -> TargetRuns:
        trial, pilot = lab.trial(self.setting), lab.goal(self.setting, self.target_of)
        journal = lab.journal(self)
        search = Search(
            trial,
            lab.seeds,
            None,
            pilot.target,
            None,
            lab.stack_bytes,
            journal,
            lambda done, more, best: lab.on_cells(done),
            lab.stop,
            HALF_WINDOW,
        )
        sizes = lab.within(trial, self.batch_sizes)
        down = [b for b in reversed(sizes) if b <= pilot.batch_size]
        up = [b for b in sizes if b > pilot.batch_size]
        outcomes = [*search.chain(down, pilot), *search.chain(up, pilot)]
        outcomes.sort(key=lambda outcome: outcome.batch_size)
        return target_runs(outcomes, len(trial.data), pilot.target)


def target_runs(outcomes: list[Outcome], n_train: int, target: Target) -> TargetRuns:
    """Return the tables of finished searches."""
    return TargetRuns(
        tuple(o.batch_size for o in outcomes),
        tuple(np.array(o.learning_rates) for o in outcomes),
        tuple(np.where(o.ran, o.table(lambda c: c.steps_to_target), np.inf) for o in outcomes),
        tuple(o.table(lambda c: math.nan if c.val_loss is None else c.val_loss) for o in outcomes),
        tuple(o.ran for o in outcomes),
        n_train,
        target,
    )
