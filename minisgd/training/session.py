"""The engine: a network, its data and its optimizer, advanced one update at a time.

Everything a step does is recorded once for each batch size and replayed afterwards. One session trains one
network, or a stack of R replicas that differ in seed and learning rate; it never asks which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np

from minisgd.backend import Program
from minisgd.data.sampling import Sampler
from minisgd.errors import ArgumentError
from minisgd.optim import BatchSizeSchedule, ConstantBatch, GradientMeasure, Progress
from minisgd.optim.batch_size import size_at
from minisgd.optim.learning_rate import Constant, rate_at
from minisgd.optim.optimizer import FLUSH_EVERY
from minisgd.training.feeds.feed import HostData
from minisgd.training.gradient_meter import GradientMeter
from minisgd.training.recipe import Recipe
from minisgd.training.step_programs import StepPrograms
from minisgd.typing import Array, HostArray

Between: TypeAlias = Callable[[HostArray, Array], object]


class Session(StepPrograms):
    """A training run in progress.

    seeds: one for each replica, of dropout masks   lr_factors (R,): what each replica's learning rate is
    multiplied with   batch_size: the schedule; its largest value is the recipe's   epochs, steps: how long the
    training run will be, where that is known, for the schedules that ask
    """

    _settled: bool
    """True once learning rate and batch size are set for good."""
    _shared_batch: int
    """How many examples the shared batch holds, 0 before it is gathered."""

    def __init__(
        self,
        recipe: Recipe,
        data: HostData,
        sampler: Sampler,
        batch_size: BatchSizeSchedule,
        *,
        seeds: Sequence[int],
        lr_factors: Sequence[float] | None = None,
        epochs: float | None = None,
        steps: int | None = None,
    ) -> None:
        super().__init__(recipe, data, seeds)
        self.sampler, self.batch_size = sampler, batch_size
        self.lr_factors = np.ones(len(self.seeds)) if lr_factors is None else np.asarray(lr_factors, float)
        self.total_epochs, self.total_steps = epochs, steps
        self.steps = 0
        self.examples = 0
        self.lr = float("nan")
        self.size = recipe.batch_size
        self._loss_count = 0
        self.held = 0
        """How many examples the arrays of the last gradient belong to."""
        self.meter = GradientMeter.of(batch_size, recipe, data)
        self.measured: GradientMeasure | None = None
        """What the last update measured, where the schedule of the batch size asked for it."""

    # ------------------------------------------------ one update

    def advance(self, until: Callable[[], bool]) -> None:
        """Take updates, at least one; none after which ``until`` holds is passed. Here it is always one."""
        self.step()

    def take(self, updates: int) -> None:
        """Take so many updates, as many at once as the device likes."""
        last = self.steps + updates
        while self.steps < last:
            self.advance(lambda: self.steps >= last)

    def step(self, between: Between | None = None) -> None:
        """Take one update: draw a batch, compute its gradient, move the weights.

        between: called with index (R, b) and gradient (…, P) when the gradient is there and no weight has moved
        """
        self._follow_schedules()
        index = self.sampler.next(self.size)
        if self.interpolation:
            self.interpolation.replay()
        gradient = self.compute_gradient(index)
        if between is not None:
            between(index, gradient)
        if self.meter is not None:
            due = self.steps % self.meter.every == 0
            self.measured = self.meter.measure(index[0], self.lr) if due else None
        self._update(index.shape[-1]).replay()
        self.steps += 1
        self.examples += index.shape[-1]
        if self.steps % FLUSH_EVERY == 0:
            self._flush.replay()

    def _follow_schedules(self) -> None:
        """Set the batch size and the learning rate of the coming update."""
        if not self._settled:
            self._look_up_schedules()
            self.ops.upload((self.lr * self.lr_factors).reshape(self.lr_array.shape), out=self.lr_array)

    def _look_up_schedules(self) -> None:
        schedule, progress = self.recipe.optimizer.schedule, self.progress()
        self.size = size_at(self.batch_size, progress)
        if self.size != progress.batch_size:  # which the learning rate may follow
            progress = self.progress()
        self.lr = rate_at(schedule, progress)
        self._settled = isinstance(schedule, Constant) and isinstance(self.batch_size, ConstantBatch)

    def progress(self) -> Progress:
        """Return how far the training run has come."""
        step_by_epochs = self.size / (self.sampler.n * self.total_epochs) if self.total_epochs else 0.0
        step_by_steps = 1 / self.total_steps if self.total_steps else 0.0
        step = min(max(step_by_epochs, step_by_steps), 1.0)
        return Progress(self.steps, self.epochs, min(self.share_done, 1.0), self.size, self.measured, step)

    @property
    def share_done(self) -> float:
        """The share of the training run that is done, by epochs or by updates; 1 or more at its end."""
        by_epochs = self.epochs / self.total_epochs if self.total_epochs else 0.0
        by_steps = self.steps / self.total_steps if self.total_steps else 0.0
        return max(by_epochs, by_steps)

    def compute_gradient(self, index: HostArray) -> Array:
        """Compute the gradient of the mean loss over a batch.  index (R, b)   result (…, P)"""
        b, micro = index.shape[-1], self.recipe.micro_batch
        self._loss_count += b
        if not self.recipe.accumulates:
            self._replay(index, b)
            return self.gradient
        self.ops.upload(0.0, out=self.total)
        for start in range(0, b, micro):
            part = index[:, start : start + micro]
            n = part.shape[-1]
            self.ops.upload(n / b, out=self.share)
            self._replay(part, n)
            self._accumulate.replay()
        return self.total

    def _replay(self, index: HostArray, n: int) -> None:
        gather, gradient, target = self._gradient(n)
        self.held = n
        if self.recipe.feed.shared:
            self._gather_shared(gather, n, target)
        else:
            self.data.choose(self.ops, index, out=target)
            gather.replay()
        gradient.replay()

    def _gather_shared(self, gather: Program, b: int, index: Array) -> None:
        """Gather the b examples that every replica sees in every step, unless they are there already."""
        if self._shared_batch != b:
            self.data.choose(self.ops, np.arange(b), out=index)
            gather.replay()
            self._shared_batch = b

    def agree(self, *flags: bool) -> tuple[bool, ...]:
        """Return which flags are set in any process of this training run: here there is one."""
        return flags

    @property
    def waits(self) -> bool:
        """True if a step is done when its call returns, so that looking at its loss costs nothing."""
        return self.ops.waits

    # ------------------------------------------------ what a step leaves behind

    def train_loss(self) -> HostArray:
        """Return the mean training loss since it was last taken, (R,)."""
        self.ops.synchronize()
        mean: HostArray = self.ops.to_host(self.loss_sum).reshape(-1) / max(self._loss_count, 1)
        return mean

    def take_train_loss(self) -> HostArray:
        """Return the mean training loss since the last call, (R,), and start anew."""
        mean = self.train_loss()
        self.ops.upload(0.0, out=self.loss_sum)
        self._loss_count = 0
        return mean

    def keep(self, rows: Any) -> None:
        """Keep only these replicas, by number; the others leave the stack and its memory's use."""
        rows = np.asarray(rows)
        self.lr_factors = self.lr_factors[rows]
        self.seeds = tuple(np.asarray(self.seeds)[rows].tolist())
        self.sampler.keep(rows)
        for key in self._lasting(shared=False):
            self.ops.compact(self.arena.storage[key], rows)
        self.network.lead = (len(rows),)
        self._forget_programs()

    def _lasting(self, *, shared: bool) -> list[str]:
        """Return the keys of the arrays that one update leaves to the next: of each replica, or of all together."""
        return [
            key
            for key, request in self.plan.largest.items()
            if request.shared == shared
            and (request.owner in ("parameters", "optimizer state") or key in ("loss.sum", "clock"))
        ]

    def _lasting_rows(self) -> dict[str, int]:
        """Return how many rows of the arrays that last are in use, by key: one of what is shared, R of the others."""
        shared, own = self._lasting(shared=True), self._lasting(shared=False)
        return dict.fromkeys(shared, 1) | dict.fromkeys(own, self.replicas)

    def _forget_programs(self) -> None:
        super()._forget_programs()
        self._settled, self._shared_batch = False, 0

    # ------------------------------------------------ stopping and going on

    def state(self) -> dict[str, Any]:
        """Return all that the coming updates depend on: numbers and text that JSON can hold, and host arrays."""
        self.ops.synchronize()
        return {
            "steps": self.steps,
            "examples": self.examples,
            "lr": self.lr,
            "size": self.size,
            "loss_count": self._loss_count,
            "measured": None if self.measured is None else asdict(self.measured),
            "sampler": self.sampler.state(),
            "arrays": {key: self.ops.to_host(self.arena.storage[key][:n]) for key, n in self._lasting_rows().items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state()`` was taken, of a session of the same data, network, optimizer and replicas.

        Raises:
            KeyError: For a state with parts missing.
            ArgumentError: For the state of another session.
        """
        self.restore_arrays(state["arrays"])
        self.sampler.restore(state["sampler"])
        self.steps, self.examples, self.lr = state["steps"], state["examples"], state["lr"]
        self.size, self._loss_count = state["size"], state["loss_count"]
        self.measured = None if state["measured"] is None else GradientMeasure(**state["measured"])
        self._settled, self._shared_batch = False, 0

    def restore_arrays(self, arrays: Mapping[str, HostArray]) -> None:
        """Take over weights and the optimizer's state, as the "arrays" of ``state()`` hold them.

        arrays: of each replica (R, …), or of one that all go on from (1, …)

        Raises:
            KeyError: If some are missing.
            ArgumentError: For those of another network or optimizer.
        """
        for key, rows in self._lasting_rows().items():
            here, given = self.arena.storage[key][:rows], arrays[key]
            if given.shape not in (here.shape, (1, *here.shape[1:])) or given.dtype != here.dtype:
                raise ArgumentError(
                    f"state: {key}",
                    expected=f"{here.dtype} of shape {here.shape}",
                    got=f"{given.dtype} of shape {given.shape}",
                    fix="resume with the same network and optimizer",
                )
            self.ops.upload(given, out=here)

    @property
    def epochs(self) -> float:
        """Epochs done; whole as soon as the epoch holds no further batch."""
        sampler = self.sampler
        if sampler.batches_left(self.size) == 0:
            return float(sampler.epoch)
        return sampler.epoch - sampler.left / sampler.n
