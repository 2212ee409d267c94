"""Evaluation as a program: mean loss and accuracy over a split, for every replica."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisgd.backend import Arena, Plan, Program, Request
from minisgd.nn import Loss, Network
from minisgd.nn.lending import lend
from minisgd.training.binding import bind_evaluation
from minisgd.training.feeds.feed import Feed, HostData
from minisgd.typing import Array, HostArray

CACHE_ELEMENTS = 1 << 16
"""Elements of the widest activation of one replica that an evaluation batch may have: few enough that a stack of
them fits into a cache, and many enough that NumPy is not called for every handful of examples."""

SHARING = 8
"""Replicas that share an input, about."""


@dataclass(frozen=True)
class Score:
    """Mean loss and accuracy of every replica, (R,); accuracy is None where there are no classes.

    Both are weighted means where examples have weights, of mean 1 in a data set.
    """

    loss: HostArray
    accuracy: HostArray | None


class Evaluator:
    """Evaluates a network, or a stack of replicas, on a fixed split.

    All replicas see the same batch, which is gathered once for them. Weights of examples count as in training.
    """

    def __init__(self, network: Network, loss: Loss, data: HostData, feed: Feed) -> None:
        self.network, self.loss, self.n, self.feed = network, loss, len(data), feed
        self.total_weight = float(self.n if data.weight is None else data.weight.sum(dtype=np.float64))
        self.ops = network.ops
        self.b = evaluation_batch(network, self.n)
        self.plan = evaluation_plan(network, loss, feed, self.n)
        self.arena = Arena(self.ops, self.plan, network.lead)
        self.data = feed.place(self.ops, self.arena, data)
        self.forget_programs()

    def forget_programs(self) -> None:
        """Record again before the next evaluation: the number of replicas has changed."""
        self.ops.synchronize()  # no program may go while it runs
        self._programs: dict[int, tuple[Program, Array]] = {}
        lead = self.network.lead
        self.loss_sum, self.hit_sum, self.part = (self.arena.view(r, lead) for r in _sum_requests())

    def score(self) -> Score:
        """Return mean loss and accuracy with the network's present weights."""
        ops, n = self.ops, self.n
        ops.upload(0.0, out=self.loss_sum)
        ops.upload(0.0, out=self.hit_sum)
        for start in range(0, n, self.b):
            b = min(self.b, n - start)
            program, index = self._program(b)
            self.data.choose(ops, np.arange(start, start + b), out=index)
            program.replay()
        loss = ops.to_host(self.loss_sum).reshape(-1) / n
        accuracy = ops.to_host(self.hit_sum).reshape(-1) / self.total_weight if self.loss.has_hits else None
        return Score(loss, accuracy)

    def _program(self, b: int) -> tuple[Program, Array]:
        if b not in self._programs:
            self._programs[b] = self._record(b)
        return self._programs[b]

    def _record(self, b: int) -> tuple[Program, Array]:
        net, loss, ops, lead = self.network, self.loss, self.ops, self.network.lead
        bound = bind_evaluation(net, loss, self.feed, b)
        assert net.input_shape is not None
        net.attach(net.input_shape, net.vector, net.statistics, None)
        batch = bound.realize(self.arena, lead)
        for name, request in loss.hit_requests(bound.loss_requests["z"].shape, self.feed.spec.kind).items():
            lend(loss, name, self.arena.view(request, lead))
        with ops.record() as program, ops.scope("evaluate", type(loss).__name__):
            ops.method(self.feed, "gather")(ops, self.arena, self.data, b, lead)
            net.infer(ops, batch["x"])
            if loss.has_hits:
                loss.hits(ops, batch["target"])
                hit = loss.hit
                if loss.weight is not None:
                    hit = self.arena.view(_weighted_request(b), lead)
                    ops.multiply(loss.hit, loss.weight, out=hit)
                ops.sum(hit, -1, out=self.part)
                ops.add(self.hit_sum, self.part, out=self.hit_sum)
            ops.method(loss, "accumulate")(ops, batch["target"], self.loss_sum)
        program.forget_calls()
        return program, self.feed.index(self.arena, b, lead)


def evaluation_plan(network: Network, loss: Loss, feed: Feed, n: int) -> Plan:
    """Return the memory of an evaluation of n examples."""
    b = evaluation_batch(network, n)
    bound = bind_evaluation(network, loss, feed, b)
    hits = loss.hit_requests(bound.loss_requests["z"].shape, feed.spec.kind)
    weighted = [_weighted_request(b)] if hits and feed.spec.weighted else []
    return Plan([*bound.requests(), *hits.values(), *weighted, *_sum_requests(), *feed.held().values()])


def _weighted_request(b: int) -> Request:
    return Request("evaluation.weighted", (b,), "float64", "workspaces")


def _sum_requests() -> list[Request]:
    names = ("sum.loss", "sum.hits", "sum.part")
    return [Request(f"evaluation.{name}", (), "float64", "workspaces") for name in names]


def evaluation_batch(network: Network, n: int) -> int:
    """Return the number of examples evaluated at a time, the same for every number of replicas.

    Sums are rounded batch by batch, so that a replica gets the same score to the last bit in whatever stack it is.
    """
    assert network.input_shape is not None
    first, *others = (int(np.prod(leaf.x[1:])) for leaf in network.describe(network.input_shape))
    widest = max(first // SHARING, *others, 1)  # the input is gathered once for the whole stack
    return min(n, max(16, CACHE_ELEMENTS // widest))
