"""Measuring the gradient that a schedule of the batch size asks about."""

from __future__ import annotations

import numpy as np

from minisgd.errors import ArgumentError
from minisgd.optim import BatchSizeSchedule, GradientMeasure, measures_every
from minisgd.training.example_pass import ExamplePass, InnerProducts, SquaredNorms, examples_at_a_time, host_sum
from minisgd.training.feeds.feed import HostData
from minisgd.training.recipe import Recipe
from minisgd.typing import HostArray


class GradientMeter:
    """Measures batches of a training run on the network as it is, in arrays of its own: training is not disturbed.

    every: updates between two measurements
    """

    def __init__(self, recipe: Recipe, data: HostData, every: int) -> None:
        net = recipe.network
        if net.lead:
            raise ArgumentError(
                "batch_size",
                expected="a number or a schedule that measures no gradient, for a stack of replicas",
                got=f"an adaptive schedule for {net.lead[0]} replicas",
                fix="train one seed at a time",
            )
        self.every, self.ops = every, net.ops
        self.chunk = min(recipe.micro_batch, examples_at_a_time(net, len(data)))
        sums = [self.ops.zeros((net.n_parameters,), net.dtype) for _ in range(2)]
        self.of_chunk, self.of_all = sums
        self.norms, self.products, self.products_again = SquaredNorms(), InnerProducts(sums[0]), InnerProducts(sums[1])
        common = (net, recipe.loss, data, recipe.feed)
        self._pass = ExamplePass(*common, [self.norms, self.products], gradient=self.of_chunk, chunk=self.chunk)
        self._again = ExamplePass(*common, [self.products_again], gradient=self.of_chunk, chunk=self.chunk)

    @classmethod
    def of(cls, schedule: BatchSizeSchedule, recipe: Recipe, data: HostData) -> GradientMeter | None:
        """Return a meter for a schedule that asks for measurements, None for any other."""
        every = measures_every(schedule)
        return None if every is None else cls(recipe, data, every)

    def measure(self, index: HostArray, lr: float) -> GradientMeasure | None:
        """Return the spread of the gradients of some examples, None for fewer than two.  index (B,)"""
        b = len(index)
        if b < 2:
            return None
        total, loss, squares, products = np.zeros(self.of_all.shape), 0.0, np.empty(b), np.empty(b)
        for where, n in self._pass.chunks(index):
            loss += float(self.ops.to_host(self._pass.losses).sum(dtype=np.float64))
            squares[where] = host_sum(self.ops, self.norms.rows[n])
            products[where] = host_sum(self.ops, self.products.rows[n])
            total += self.ops.to_host(self.of_chunk)
        if b > self.chunk:  # the products were with the sum of a chunk: once more, with that of all
            self.ops.upload(total, out=self.of_all)
            for where, n in self._again.chunks(index):
                products[where] = host_sum(self.ops, self.products_again.rows[n])
        mean_sq = float(total @ total) / b**2
        variance = max(0.0, (float(squares.sum()) - b * mean_sq) / (b - 1))  # rounding alone makes it negative
        return GradientMeasure(b, loss / b, lr, mean_sq, variance, float((products / b).var(ddof=1)))
