"""The programs of an update: recorded once for each number of examples, on arrays that they share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import prod

from minisgd.backend import Arena, Plan, Program
from minisgd.data.augmentation import augment
from minisgd.nn.lending import lend
from minisgd.nn.shapes import reshaped
from minisgd.optim.optimizer import UpdateBuffers
from minisgd.training.binding import BoundPass, attach_random, bind_training, row_sparse
from minisgd.training.cost import largest_product
from minisgd.training.feeds.feed import HostData
from minisgd.training.recipe import Recipe
from minisgd.training.written import require_gradient, require_update
from minisgd.typing import Array


class StepPrograms:
    """A network, its data and its optimizer in the memory of one plan, and what is recorded there.

    seeds: one for each replica, of dropout masks
    """

    def __init__(self, recipe: Recipe, data: HostData, seeds: Sequence[int]) -> None:
        self.recipe = recipe
        self.ops, self.network = recipe.network.ops, recipe.network
        self.seeds = tuple(seeds)
        self._largest_product = 0
        self.plan = Plan(recipe.requests())
        self.arena = Arena(self.ops, self.plan, self.network.lead)
        self.data = recipe.feed.place(self.ops, self.arena, data)
        self._adopt_weights()
        self._forget_programs()

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
        requests = self.recipe.fixed_requests()
        fixed = {name: self.arena.view(r, () if r.shared else lead) for name, r in requests.items()}
        self.gradient, self.lr_array, self.loss_sum = fixed["gradient"], fixed["lr"], fixed["loss_sum"]
        self.share, self.clock = fixed["share"], fixed["clock"]
        self.network.vector, self.network.statistics = fixed["vector"], fixed["statistics"]
        if self.recipe.accumulates:
            self.total = self.arena.view(self.recipe.total_request(), lead)
        self._gradients: dict[int, tuple[Program, Program, Array]] = {}
        self._rows: dict[str, Array] = {}
        self._update_programs: dict[int, Program] = {}
        for recorded_once in ("interpolation", "_accumulate", "_flush"):
            vars(self).pop(recorded_once, None)

    def _gradient(self, b: int) -> tuple[Program, Program, Array]:
        if b not in self._gradients:
            self._gradients[b] = self.record_gradient(b)
            if self._rows:
                self._update_programs[b] = self.record_update()
            self._largest_product = max(self._largest_product, largest_product(self._gradients[b][1:2]))
        return self._gradients[b]

    def record_parts(self, b: int) -> None:
        """Record all programs that a batch of b examples needs."""
        micro = self.recipe.micro_batch
        for n in {min(b, micro), b % micro} - {0}:
            self._gradient(n)

    def record_gradient(self, b: int) -> tuple[Program, Program, Array]:
        """Record gathering and gradient for b examples; return both and the array of indices.

        The gradient of a row-sparse tensor is zero before, as the update leaves it.
        """
        net, loss, feed, ops = self.network, self.recipe.loss, self.recipe.feed, self.ops
        bound: BoundPass = bind_training(net, loss, feed, b)
        assert net.input_shape is not None
        net.attach(net.input_shape, net.vector, net.statistics, self.gradient)
        attach_random(net, self.seeds, self.clock)
        batch = bound.realize(self.arena, net.lead)
        sparse = list(row_sparse(net))
        self._rows = {name: reshaped(getattr(leaf.layer, rows), (*net.lead, -1)) for name, leaf, rows in sparse}
        for _, leaf, _ in sparse:
            lend(leaf.layer, "cleared", True)
        with ops.record() as gather, ops.scope("gather", "batch"):
            ops.method(feed, "gather")(ops, self.arena, self.data, b, net.lead)
            if self.recipe.transforms:
                x, y = batch["x"], batch["target"]
                given = (self.recipe.transforms, self.seeds, len(net.lead), x, y, self.clock)
                ops.run("function", augment, given, (x, y), x)
                ops.run("function", _nothing, (), (x, y), y)  # so that the targets are not read before
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
        for _, leaf, _ in sparse:
            lend(leaf.layer, "cleared", False)  # instruments have gradients of their own
        if ops.device == "cpu":
            require_gradient(net, loss, (b, *net.input_shape), gradient)
        return gather, gradient, feed.index(self.arena, b, net.lead)

    @cached_property
    def interpolation(self) -> Program:
        """The way to where the optimizer takes the gradient: nothing, where that is at the weights."""
        optimizer, buffers = self.recipe.optimizer, self._update_buffers()
        with self.ops.record() as program, self.ops.scope("interpolate", type(optimizer).__name__):
            self.ops.method(optimizer, "interpolate")(self.ops, buffers)
        program.temporaries = (buffers.scratch,)
        return program

    def _update(self, b: int = 0) -> Program:
        """Return the update after a gradient of b examples: one for all, unless their number decides how many move."""
        b = b if self._rows else 0
        if b not in self._update_programs:
            self._update_programs[b] = self.record_update()
        return self._update_programs[b]

    def record_update(self) -> Program:
        """Record clipping and the optimizer's step, for the gradient that was recorded last."""
        recipe, buffers = self.recipe, self._update_buffers()
        with self.ops.record() as update, self.ops.scope("update"):
            if recipe.clip:
                recipe.clip.apply(self.ops, self.arena, buffers.g)
            recipe.optimizer.step(self.ops, buffers)
        update.temporaries = (buffers.scratch,)
        if self.ops.device == "cpu":
            require_update(recipe.optimizer, buffers.w, update)
        return update

    @cached_property
    def _flush(self) -> Program:
        with self.ops.record() as program, self.ops.scope("flush"):
            self.recipe.optimizer.flush(self.ops, self._update_buffers())
        return program

    def _update_buffers(self) -> UpdateBuffers:
        recipe, net = self.recipe, self.network
        g = self.total if recipe.accumulates else self.gradient
        return recipe.optimizer.buffers(self.arena, net.layout, net.vector, g, self.lr_array, self._rows)

    @cached_property
    def _accumulate(self) -> Program:
        with self.ops.record() as program, self.ops.scope("accumulate", "micro-batch"):
            self.ops.multiply(self.gradient, self.share, out=self.gradient)
            self.ops.add(self.total, self.gradient, out=self.total)
        return program

    def largest_product(self) -> int:
        """Return the FLOPs of the largest matrix product recorded so far, by which threads are chosen."""
        return self._largest_product

    @property
    def replicas(self) -> int:
        """R, the number of networks in the stack."""
        return prod(self.network.lead)


def _nothing() -> None:
    """Stand for the second result of a call that has two."""
