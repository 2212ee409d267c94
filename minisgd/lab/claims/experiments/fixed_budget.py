"""Training for a fixed number of steps or epochs, over one grid of learning rates for every batch size.

As the grid is shared, one experiment answers several questions: at a fixed learning rate (a column of the
table), at one scaled with the batch (a diagonal), and at the tuned one (the best of each row).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from minisgd.files import to_json
from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.lab import Lab
from minisgd.lab.claims.setting import Setting
from minisgd.lab.study.cell import downsample
from minisgd.lab.trial import Trial
from minisgd.nn import Network
from minisgd.training.evaluation import Score
from minisgd.training.prepare import Sampling
from minisgd.typing import HostArray

EVALUATIONS = 20
"""Evaluations during a training run with a fixed budget."""


class Measure(Protocol):
    """Something measured on a network at the end of its training: a frozen dataclass, so that equal ones are one."""

    def __call__(self, network: Network, trial: Trial) -> Mapping[str, float]:
        """Return numbers by name."""


@dataclass(frozen=True)
class Ending:
    """How one training run ended: batch size, learning rate and seed name it.

    Losses and accuracies are those of the whole training and validation split in evaluation mode; accuracy is NaN
    where there are no classes.   curve: (step, mean training loss since the last evaluation, validation loss)
    extra: what the measures of the experiment found
    """

    batch_size: int
    lr: float
    seed: int
    steps: int
    diverged: bool
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    curve: tuple[tuple[float, float, float], ...] = ()
    extra: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[int, float, int]:
        return self.batch_size, self.lr, self.seed

    @classmethod
    def of(cls, key: tuple[int, float, int], steps: int, train: Score, val: Score, k: int) -> Self:
        """Take what replica k came to, from the scores of a stack on both splits."""
        losses = float(train.loss[k]), float(val.loss[k])
        accuracies = [math.nan if score.accuracy is None else float(score.accuracy[k]) for score in (train, val)]
        diverged = not all(map(math.isfinite, losses))
        return cls(*key, steps, diverged, losses[0], accuracies[0], losses[1], accuracies[1])

    def to_line(self) -> str:
        """Return the ending as one line of JSON; what is not finite is null."""
        return to_json(asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild an ending from its line."""
        known: dict[str, Any] = {name: math.nan if value is None else value for name, value in values.items()}
        known["extra"] = {name: math.nan if value is None else value for name, value in values["extra"].items()}
        known["curve"] = tuple(tuple(math.nan if x is None else x for x in point) for point in values["curve"])
        return cls(**known)


@dataclass(frozen=True)
class Endings:
    """How training runs with a fixed budget ended.

    batch_sizes (K,), learning_rates (K, L) ascending in L, cells [k][l][s]; seeds are paired throughout.
    """

    batch_sizes: tuple[int, ...]
    learning_rates: HostArray
    cells: Sequence[Sequence[Sequence[Ending]]]
    n_train: int

    @property
    def seeds(self) -> int:
        """S, the number of seeds."""
        return len(self.cells[0][0])

    @property
    def training_runs(self) -> int:
        """The number of training runs in all."""
        return int(self.learning_rates.size) * self.seeds

    def first(self, seeds: int) -> Endings:
        """Return the training runs of the first seeds."""
        return replace(self, cells=[[row[:seeds] for row in rows] for rows in self.cells])

    def table(self, value: str | Callable[[Ending], float]) -> HostArray:
        """Return a number of every training run, (K, L, S): a field of Ending, an entry of its extra, or a function."""
        if isinstance(value, str):
            name = value
            plain = name in Ending.__dataclass_fields__
            return self.table(lambda e: float(getattr(e, name)) if plain else float(e.extra.get(name, math.nan)))
        return np.array([[[value(ending) for ending in row] for row in rows] for rows in self.cells], dtype=float)

    def tuned(self, by: str = "val_loss") -> HostArray:
        """Return the column of the best learning rate of each batch size, (K,): lowest median of a loss over seeds.

        A name that ends in accuracy is maximised. A run that diverged counts as the worst.
        """
        sign = -1.0 if by.endswith("accuracy") else 1.0
        worst = np.where(self.table("diverged") > 0, np.inf, sign * self.table(by))
        return np.asarray(np.median(np.where(np.isfinite(worst), worst, np.inf), axis=2).argmin(axis=1))

    def at(self, value: str | Callable[[Ending], float], columns: HostArray | int) -> HostArray:
        """Return a number at one learning rate of each batch size, (K, S): ``at("val_loss", runs.tuned())``."""
        columns = np.broadcast_to(columns, (len(self.batch_sizes),))
        return np.asarray(self.table(value)[np.arange(len(columns)), columns])

    def scaled(self, column: int, power: float, reference: int = 0) -> HostArray:
        """Return the columns whose learning rate is nearest to lr·(B/B0)^power, (K,).

        column: of lr at the reference batch size, which is number ``reference``
        """
        ratio = np.array(self.batch_sizes) / self.batch_sizes[reference]
        wanted = np.log(self.learning_rates[reference, column] * ratio**power)
        return np.asarray(np.abs(np.log(self.learning_rates) - wanted[:, None]).argmin(axis=1))

    def on_edge(self, columns: HostArray) -> list[int]:
        """Return the batch sizes whose chosen learning rate is on the edge of the grid."""
        last = self.learning_rates.shape[1] - 1
        return [b for b, column in zip(self.batch_sizes, columns, strict=True) if column in (0, last)]


def edges(arms: Mapping[str, Endings], by: str = "val_loss") -> tuple[str, ...]:
    """State at which batch sizes of an arm the best learning rate, by a value, is on the edge of its grid."""
    found = {name: ", ".join(map(str, runs.on_edge(runs.tuned(by)))) for name, runs in arms.items()}
    return tuple(
        f"{name[:1].upper()}{name[1:]}: at batch size {where} the best learning rate is on the edge of its grid."
        for name, where in found.items()
        if where
    )


NOTHING = 1e-6
"""A loss below this is rounding."""


def tuned_losses(runs: Endings) -> HostArray:
    """Return the validation losses at the tuned learning rates, (K, S): at least NOTHING, NaN where one diverged."""
    losses = runs.at("val_loss", runs.tuned())
    return np.maximum(np.where(np.isfinite(losses), losses, np.nan), NOTHING)


HALVES = tuple(2.0**k for k in range(-5, 7))
"""Multiples of the pilot's learning rate: twelve, a factor of two apart, 3.3 decades."""


@dataclass(frozen=True)
class FixedBudget(Experiment[Endings]):
    """Train for so many epochs, or steps, at every batch size and learning rate.

    multiples: learning rates, in multiples of the pilot's best one   power: they grow with the batch size, as
    (B/B0)^power, B0 the pilot's   sampling: "shuffle", "sequential" or "replacement"
    measures: made on every network at the end of its training
    """

    entries: ClassVar[type[Any] | None] = Ending

    setting: Setting = Setting()
    epochs: float | None = None
    steps: int | None = None
    batch_sizes: tuple[int, ...] = ()
    multiples: tuple[float, ...] = HALVES
    power: float = 0.0
    sampling: Sampling = "shuffle"
    measures: tuple[Measure, ...] = ()

    @property
    def name(self) -> str:
        parts = [self.setting.name, f"{self.epochs:g}-epochs" if self.epochs else f"{self.steps}-steps"]
        if self.multiples != HALVES:
            parts.append("lr-" + "-".join(f"{m:g}" for m in self.multiples))
        parts += [f"power-{self.power:g}"] if self.power else []
        parts += [self.sampling] if self.sampling != "shuffle" else []
        parts += [re.sub(r"[^a-z0-9.]+", "-", repr(measure).lower()).strip("-") for measure in self.measures]
        return "-".join([*parts, *map(str, self.batch_sizes)])

    def steps_at(self, batch_size: int, n: int) -> int:
        """Return the budget in steps at a batch size."""
        return self.steps or max(1, round((self.epochs or 0) * n / batch_size))

    def seconds(self, lab: Lab) -> float:
        trial, pilot = lab.trial(self.setting), lab.pilot(self.setting)
        sizes = lab.within(trial, self.batch_sizes)
        each = sum(pilot.seconds(b, self.steps_at(b, len(trial.data))) for b in sizes)
        return len(lab.seeds) * len(lab.rates(self.multiples)) * each

    def rates(self, batch_size: int, lab: Lab) -> list[float]:
        """Return the learning rates at a batch size."""
        pilot = lab.pilot(self.setting)
        factor = (batch_size / pilot.batch_size) ** self.power
        return [float(f"{m * factor * pilot.lr:.4g}") for m in lab.rates(self.multiples)]

    def run(self, lab: Lab) -> Endings:
        trial, journal = lab.trial(self.setting), lab.journal(self)
        sizes = lab.within(trial, self.batch_sizes)
        grid = {b: self.rates(b, lab) for b in sizes}
        for b in sizes:
            missing = [(lr, s) for lr in grid[b] for s in lab.seeds if (b, lr, s) not in journal.cells]
            for part in _stacks(trial, b, missing, lab.stack_bytes):
                journal.add(self._train(lab, trial, b, part))
                lab.on_cells(len(part))
        cells = [[[journal.cells[b, lr, s] for s in lab.seeds] for lr in grid[b]] for b in sizes]
        return Endings(sizes, np.array([grid[b] for b in sizes]), cells, len(trial.data))

    def _train(self, lab: Lab, trial: Trial, b: int, cells: list[tuple[float, int]]) -> list[Ending]:
        """Train one replica for each (learning rate, seed)."""
        steps = self.steps_at(b, len(trial.data))
        prepared = trial.with_lr(1.0).prepare(b, [seed for _, seed in cells])
        session = prepared.session(sampling=self.sampling, last_batch="drop", lr_factors=[lr for lr, _ in cells])
        on_train, on_validation = prepared.evaluator("train"), prepared.evaluator()
        assert on_train is not None and on_validation is not None
        curves: list[list[tuple[float, float, float]]] = [[] for _ in cells]
        for number in range(1, EVALUATIONS + 1):
            while session.steps < round(number * steps / EVALUATIONS):
                session.step()
                lab.check_time()
            losses, score = session.take_train_loss(), on_validation.score()
            for curve, train, val in zip(curves, losses, score.loss, strict=True):
                curve.append((float(session.steps), float(train), float(val)))
        last, seen = on_validation.score(), on_train.score()
        endings = []
        for k, (lr, seed) in enumerate(cells):
            lab.check_time()
            ending = Ending.of((b, lr, seed), session.steps, seen, last, k)
            extra: dict[str, float] = {}
            for measure in () if ending.diverged else self.measures:
                extra |= measure(session.network.replica(k), trial)
            endings.append(replace(ending, curve=downsample(curves[k]), extra=extra))
        return endings


def _stacks(trial: Trial, b: int, cells: list[tuple[float, int]], most_bytes: int) -> list[list[tuple[float, int]]]:
    """Cut training runs into stacks that fit into memory."""
    if not cells:
        return []
    size = max(1, most_bytes // trial.bytes(b))
    return [cells[start : start + size] for start in range(0, len(cells), size)]
