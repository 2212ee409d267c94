"""The engine: a network, its data and its optimizer, advanced one update at a time.

Everything a step does is recorded once for each batch size and replayed afterwards. One session trains one
network, or a stack of R replicas that differ in seed and learning rate; it never asks which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from math import prod
from typing import Any, TypeAlias

import numpy as np

from minisgd.backend import Arena, Plan, Program
from minisgd.data.augmentation import augment
from minisgd.data.sampling import Sampler
from minisgd.errors import ArgumentError
from minisgd.optim import BatchSizeSchedule, ConstantBatch, GradientMeasure, Progress
from minisgd.optim.learning_rate import Constant
from minisgd.optim.optimizer import FLUSH_EVERY, UpdateBuffers
from minisgd.training.binding import BoundPass, attach_random, bind_training
from minisgd.training.cost import largest_product
from minisgd.training.feeds.feed import HostData
from minisgd.training.gradient_meter import GradientMeter
from minisgd.training.recipe import Recipe
from minisgd.typing import Array, HostArray

Between: TypeAlias = Callable[[HostArray, Array], object]


class Session:
    """A training run in progress.

    seeds: one for each replica, of dropout masks   lr_factors (R,): what each replica's learning rate is
    multiplied with   batch_size: the schedule; its largest value is the recipe's   epochs, steps: how long the
    training run will be, where that is known, for the schedules that ask
    """

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
        self.recipe, self.sampler, self.batch_size = recipe, sampler, batch_size
        self.ops, self.network = recipe.network.ops, recipe.network
        self.seeds = tuple(seeds)
        self.lr_factors = np.ones(len(self.seeds)) if lr_factors is None else np.asarray(lr_factors, float)
        self.total_epochs, self.total_steps = epochs, steps
        self._largest_product = 0
        self.steps = 0
        self.examples = 0
        self.lr = float("nan")
        self._settled = False
        """True once learning rate and batch size are set for good."""
        self._shared_batch = 0
        """How many examples the shared batch holds, 0 before it is gathered."""
        self.size = recipe.batch_size
        self.plan = Plan(recipe.requests())
        self.arena = Arena(self.ops, self.plan, self.network.lead)
        self.data = recipe.feed.place(self.ops, self.arena, data)
        self._adopt_weights()
        self._forget_programs()
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

    def step(self, between: Between | None = None) -> None:
        """Take one update: draw a batch, compute its gradient, move the weights.

        between: called with index (R, b) and gradient (…, P) when the gradient is there and no weight has moved
        """
        self._follow_schedules()
        index = self.sampler.next(self.size)
        gradient = self.compute_gradient(index)
        if between is not None:
            between(index, gradient)
        if self.meter is not None:
            due = self.steps % self.meter.every == 0
            self.measured = self.meter.measure(index[0], self.lr) if due else None
        self._update().replay()
        self.steps += 1
        self.examples += index.shape[-1]
        if self.steps % FLUSH_EVERY == 0:
            self._flush().replay()

    def _follow_schedules(self) -> None:
        """Set the batch size and the learning rate of the coming update."""
        if not self._settled:
            self._look_up_schedules()
            self.ops.upload((self.lr * self.lr_factors).reshape(self.lr_array.shape), out=self.lr_array)

    def _look_up_schedules(self) -> None:
        schedule, progress = self.recipe.optimizer.schedule, self.progress()
        self.size = self.batch_size(progress)
        if self.size != progress.batch_size:  # which the learning rate may follow
            progress = self.progress()
        self.lr = float(schedule(progress))
        self._settled = isinstance(schedule, Constant) and isinstance(self.batch_size, ConstantBatch)

    def progress(self) -> Progress:
        """Return how far the training run has come."""
        by_epochs = self.epochs / self.total_epochs if self.total_epochs else 0.0
        by_steps = self.steps / self.total_steps if self.total_steps else 0.0
        step_by_epochs = self.size / (self.sampler.n * self.total_epochs) if self.total_epochs else 0.0
        step_by_steps = 1 / self.total_steps if self.total_steps else 0.0
        return Progress(
            self.steps,
            self.epochs,
            min(max(by_epochs, by_steps), 1.0),
            self.size,
            self.measured,
            min(max(step_by_epochs, step_by_steps), 1.0),
        )

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
            self._accumulate().replay()
        return self.total

    def _replay(self, index: HostArray, n: int) -> None:
        gather, gradient, target = self._gradient(n)
        self.held = n
        if not self.recipe.feed.shared:
            self.data.choose(self.ops, index, out=target)
            gather.replay()
        elif self._shared_batch != n:
            # every replica sees the whole set in every step: it is gathered once
            self.data.choose(self.ops, np.arange(n), out=target)
            gather.replay()
            self._shared_batch = n
        gradient.replay()

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

    # ------------------------------------------------ stopping and going on

    def state(self) -> dict[str, Any]:
        """Return all that the coming updates depend on: numbers and text that JSON can hold, and host arrays."""
        self.ops.synchronize()
        rows = {key: 1 for key in self._lasting(shared=True)} | {
            key: self.replicas for key in self._lasting(shared=False)
        }
        return {
            "steps": self.steps,
            "examples": self.examples,
            "lr": self.lr,
            "size": self.size,
            "loss_count": self._loss_count,
            "measured": None if self.measured is None else asdict(self.measured),
            "sampler": self.sampler.state(),
            "arrays": {key: self.ops.to_host(self.arena.storage[key][:n]) for key, n in rows.items()},
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

        Raises:
            KeyError: If some are missing.
            ArgumentError: For those of another network or optimizer.
        """
        for key in (*self._lasting(shared=True), *self._lasting(shared=False)):
            here = self.arena.storage[key][: len(arrays[key])]
            if arrays[key].shape != here.shape or arrays[key].dtype != here.dtype:
                raise ArgumentError(
                    f"state: {key}",
                    expected=f"{here.dtype} of shape {here.shape}",
                    got=f"{arrays[key].dtype} of shape {arrays[key].shape}",
                    fix="resume with the same network and optimizer",
                )
            self.ops.upload(arrays[key], out=here)

    # ------------------------------------------------ recording

    def _adopt_weights(self) -> None:
        """Move the network's weights into this session's memory."""
        lead = self.network.lead
        fixed = self.recipe.fixed_requests()
        for name in ("vector", "statistics"):
            here = self.arena.view(fixed[name], lead)
            self.ops.copy(getattr(self.network, name), out=here)

    def _forget_programs(self) -> None:
        """Attach all arrays for the current number of replicas; programs are recorded again when needed."""
        lead = self.network.lead
        fixed = {name: self.arena.view(r, lead) for name, r in self.recipe.fixed_requests().items()}
        shared = {name: self.arena.view(r, ()) for name, r in self.recipe.fixed_requests().items() if r.shared}
        self.gradient, self.lr_array, self.loss_sum = fixed["gradient"], fixed["lr"], fixed["loss_sum"]
        self.share, self.clock = shared["share"], shared["clock"]
        self.network.vector, self.network.statistics = fixed["vector"], fixed["statistics"]
        if self.recipe.accumulates:
            self.total = self.arena.view(self.recipe.total_request(), lead)
        self._gradients: dict[int, tuple[Program, Program, Array]] = {}
        self._update_program: Program | None = None
        self._accumulate_program: Program | None = None
        self._flush_program: Program | None = None
        self._shared_batch = 0
        self._settled = False

    def _gradient(self, b: int) -> tuple[Program, Program, Array]:
        if b not in self._gradients:
            self._gradients[b] = self.record_gradient(b)
            self._largest_product = max(self._largest_product, largest_product(self._gradients[b][1:2]))
        return self._gradients[b]

    def record_parts(self, b: int) -> None:
        """Record all programs that a batch of b examples needs."""
        micro = self.recipe.micro_batch
        for n in {min(b, micro), b % micro} - {0}:
            self._gradient(n)

    def record_gradient(self, b: int) -> tuple[Program, Program, Array]:
        """Record gathering and gradient for b examples; return both and the array of indices."""
        net, loss, feed, ops = self.network, self.recipe.loss, self.recipe.feed, self.ops
        bound: BoundPass = bind_training(net, loss, feed, b)
        assert net.input_shape is not None
        net.attach(net.input_shape, net.vector, net.statistics, self.gradient)
        attach_random(net, self.seeds, self.clock)
        batch = bound.realize(self.arena, net.lead)
        with ops.record() as gather, ops.scope("gather", "batch"):
            ops.method(feed, "gather")(ops, self.arena, self.data, b, net.lead)
            if self.recipe.transforms:
                x, y = batch["x"], batch["target"]
                given = (self.recipe.transforms, self.seeds, len(net.lead), x, y, self.clock)
                ops.run("function", augment, given, (x, y), x)
                ops.run("function", _nothing, (), (x, y), y)  # so that nobody reads the targets before
        with ops.record() as gradient:
            with ops.scope("forward"):
                net.forward(ops, batch["x"])
            with ops.scope("loss", type(loss).__name__):
                ops.method(loss, "accumulate")(ops, batch["target"], self.loss_sum)
            with ops.scope("backward"):
                with ops.scope(layer=type(loss).__name__):
                    dz = loss.gradient(ops)
                net.backward(ops, dz)
            clocked = any(leaf.declaration.clock for leaf in net.describe(net.input_shape))
            if clocked or self.recipe.transforms:
                with ops.scope("backward", "clock"):
                    ops.add(self.clock, 1, out=self.clock)
        return gather, gradient, feed.index(self.arena, b, net.lead)

    def _update(self) -> Program:
        if self._update_program is None:
            self._update_program = self.record_update()
        return self._update_program

    def record_update(self) -> Program:
        """Record clipping and the optimizer's step."""
        recipe, buffers = self.recipe, self._update_buffers()
        with self.ops.record() as update, self.ops.scope("update"):
            if recipe.clip:
                recipe.clip.apply(self.ops, self.arena, buffers.g)
            recipe.optimizer.step(self.ops, buffers)
        update.temporaries = (buffers.scratch,)
        return update

    def _flush(self) -> Program:
        if self._flush_program is None:
            with self.ops.record() as program, self.ops.scope("flush"):
                self.recipe.optimizer.flush(self.ops, self._update_buffers())
            self._flush_program = program
        return self._flush_program

    def _update_buffers(self) -> UpdateBuffers:
        recipe, net = self.recipe, self.network
        g = self.total if recipe.accumulates else self.gradient
        return recipe.optimizer.buffers(self.arena, net.layout, net.vector, g, self.lr_array)

    def _accumulate(self) -> Program:
        if self._accumulate_program is None:
            with self.ops.record() as program, self.ops.scope("accumulate", "micro-batch"):
                self.ops.multiply(self.gradient, self.share, out=self.gradient)
                self.ops.add(self.total, self.gradient, out=self.total)
            self._accumulate_program = program
        return self._accumulate_program

    @property
    def epochs(self) -> float:
        """Epochs done; whole as soon as the epoch holds no further batch."""
        sampler = self.sampler
        if sampler.batches_left(self.size) == 0:
            return float(sampler.epoch)
        return sampler.epoch - sampler.left / sampler.n

    def largest_product(self) -> int:
        """Return the FLOPs of the largest matrix product recorded so far, by which threads are chosen."""
        return self._largest_product

    @property
    def replicas(self) -> int:
        """R, the number of networks in the stack."""
        return prod(self.network.lead)


def _nothing() -> None:
    """Stand for the second result of a call that has two."""


BUFFER = 2048
"""Elements that NumPy copies at a time where the rows of an operand are short or of another dtype."""


@contextmanager
def quiet_arithmetic() -> Iterator[None]:
    """Let a diverging run overflow without warnings, since its loss tells; let NumPy copy less.

    NumPy copies operands with rows of less than half its buffer into that buffer first, 8192 elements of it. With a
    smaller one it works on the rows where they lie, in half the time.
    """
    with np.errstate(all="ignore"):
        np.setbufsize(BUFFER)  # until errstate ends
        yield
