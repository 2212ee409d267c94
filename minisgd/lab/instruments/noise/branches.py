"""The local critical batch size: how large a batch the loss bears from here on, tried by branches of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import lcm
from typing import Any

import numpy as np

from minisgd.checks import as_items, positive, within
from minisgd.data import Dataset
from minisgd.errors import ArgumentError
from minisgd.lab.instruments.noise.branch_point import BranchPoint, Subject
from minisgd.lab.statistics import Interval, mean_interval
from minisgd.nn import Loss
from minisgd.optim import Optimizer, scaled
from minisgd.optim.checks import count
from minisgd.tables import Shown
from minisgd.training.prepare import prepare
from minisgd.typing import HostArray, Seed

FACTORS = "1, 2, 4 and 8, for example"

USUAL = (1, 2, 4, 8, 16)

LEVEL = 0.95
"""Of all comparisons together (Bonferroni)."""


@dataclass(frozen=True)
class LocalCriticalBatchSize(Shown):
    """How large a batch costs no more than the tolerated share of the progress, from these weights on.

    Attributes:
        value: The largest batch size up to which every branch keeps within the tolerance in the mean; None where even
            the smallest learns nothing.
        low: The largest up to which all are surely within: the 95% interval says so.
        high: The smallest that is surely beyond; None where none is.
        batch_sizes: Of the branches, the smallest first.
        learning_rates: Of the branches at their first step.
        losses: (K, S) training loss at the end, of each branch and seed.
        start: The loss before.
        excess: (K,) mean loss above that of the smallest batch.
        intervals: Of ``excess`` less the tolerated share of the progress; simultaneous, 95%.
        examples: Examples that every branch saw.
    """

    value: int | None
    low: int | None
    high: int | None
    batch_sizes: tuple[int, ...]
    learning_rates: tuple[float, ...]
    losses: HostArray
    start: float
    excess: HostArray
    intervals: tuple[Interval, ...]
    examples: int

    @classmethod
    def from_dict(cls, figures: Mapping[str, Any]) -> LocalCriticalBatchSize:
        """Return what ``to_dict`` was called on.

        Args:
            figures: What it returned.
        """
        tuples = {name: tuple(figures[name]) for name in ("batch_sizes", "learning_rates")}
        arrays = {name: np.asarray(figures[name], float) for name in ("losses", "excess")}
        intervals = tuple(map(tuple, figures["intervals"]))
        return cls(**{**figures, **tuples, **arrays, "intervals": intervals})

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them."""
        return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in asdict(self).items()}


def local_critical_batch_size(
    network: Subject,
    data: Dataset | tuple[Any, Any] | None = None,
    optimizer: Optimizer | None = None,
    *,
    batch_size: int | None = None,
    factors: Sequence[int] | None = None,
    examples: int | None = None,
    seeds: int = 8,
    tolerance: float = 0.1,
    rule: str | None = None,
    loss: Loss | None = None,
    seed: Seed = 0,
) -> LocalCriticalBatchSize:
    """Train branches of one network on equally many examples with larger and larger batches, and see where it costs.

    Branch k takes batches of k·B and the learning rate of a scaling rule: lr·k or, for Adam and its kin, lr·√k. With
    L_k its training loss at the end and L₀ the loss before, k is tolerated while L_k − L₁ ≤ tolerance · (L₀ − L₁). The
    branches of a seed see the same examples in the same order, so the comparison is paired; its interval takes the
    place of a smoothed curve. Branched training after Merrill et al. 2025 (arXiv 2505.23971).

    Of a training run in progress, as a callback sees it, branches go on with the moments that its optimizer has
    gathered; of a finished one, whose clipping is not kept, of a network, and with another optimizer, they begin
    without any.
    ``CriticalBatchTracker`` measures along a training run, and ``BatchWarmup`` doubles the batch size by it.

    Args:
        network: One with weights; or the training run that it comes from, finished, or in progress as callbacks see it.
        data: A data set, or (x, y); by default that of the training run.
        optimizer: As tuned at ``batch_size``; by default that of the training run, at its present learning rate or,
            at its end, that of its last update; of a network ``SGD(lr=0.1)``.
        batch_size: B, of the smallest branch; by default that of the training run, at its end the last; of a network
            16, or half of fewer than 32 examples.
        factors: k, the first 1, ascending; by default 1, 2, 4, 8 and 16, as far as there are examples.
        examples: That each branch sees, at least one batch of the largest; eight of the largest by default.
            Lowered to a multiple of all batch sizes, unless the least of these is above it.
        seeds: S orders of the examples, at least 2, trained as a stack of replicas.
        tolerance: Share of the smallest branch's progress that a larger batch may cost.
        rule: As ``ms.scaled`` takes it.
        loss: The loss; by default that of the training run, or of the task.
        seed: The first of the seeds.

    Returns:
        The local critical batch size with its interval, and the losses behind it.

    Raises:
        ArgumentError: An argument is out of range, or the largest batch exceeds the examples there are.
        DtypeError: There is nothing to branch from, or no data.
    """
    steps = check_branches(factors, examples, seeds, tolerance)
    if batch_size is not None:
        count("batch_size", batch_size, "use an integer such as 16")
    point = BranchPoint.of(network, data, optimizer, batch_size, loss)
    part, sizes = point.data, [point.batch_size * k for k in steps]
    room = len(part) if factors is not None or examples is None else min(len(part), examples)
    require_room(point.batch_size, factors, room)
    if factors is None:
        sizes = [size for size in sizes if size <= room]
    seen = examples or 8 * sizes[-1]
    if seen < sizes[-1]:
        raise ArgumentError(
            "examples", expected=f"at least one batch of {sizes[-1]}", got=examples, fix="leave it out, or give more"
        )
    if seen >= (multiple := lcm(*sizes)):
        seen -= seen % multiple  # or the last batch of some branch is left out
    begin, ends, rates = float("nan"), [], []
    for size in sizes:
        prepared = prepare(
            point.network,
            part,
            scaled(point.optimizer, reference=point.batch_size, batch_size=size, rule=rule),
            loss=point.loss,
            batch_size=size,
            clip_norm=point.clip_norm,
            dtype=point.network.dtype,
            seeds=range(seed, seed + seeds),
        )
        session, evaluator = prepared.session(last_batch="drop", steps=seen // size), prepared.evaluator("train")
        assert evaluator is not None
        point.enter(session)
        begin = float(evaluator.score().loss[0])
        session.take(seen // size)
        ends.append(np.asarray(evaluator.score().loss, float))
        rates.append(float(session.lr))
    return _judged(sizes, rates, np.stack(ends), begin, tolerance, seen)


def check_branches(factors: Sequence[int] | None, examples: int | None, seeds: int, tolerance: float) -> list[int]:
    """Return the factors, or refuse what branches cannot be laid out by."""
    given = USUAL if factors is None else as_items(factors, "factors", "integers", FACTORS)
    steps = [count("factors", k, FACTORS) for k in given]
    if len(steps) < 2 or steps[0] != 1 or sorted(set(steps)) != steps:
        raise ArgumentError("factors", expected="1 and larger integers, ascending", got=factors, fix=FACTORS)
    if examples is not None:
        count("examples", examples, "leave it out, or give more")
    if positive(seeds, "seeds") < 2:
        raise ArgumentError("seeds", expected="at least 2, as one has no scatter", got=seeds, fix="8, for example")
    within("(0, 1)", tolerance, "tolerance", "0.1, for example")
    return steps


def require_room(batch_size: int, factors: Sequence[int] | None, n: int) -> None:
    """Refuse branches whose largest batch does not fit into n examples; without factors there must be two of them."""
    if factors is None and 2 * batch_size > n:
        expected = f"at most {n // 2}, as twice as large a batch must fit into the {n} examples"
        raise ArgumentError(
            "batch_size", expected=expected, got=batch_size, fix="use a smaller batch, or more examples"
        )
    if factors is not None and factors[-1] * batch_size > n:
        expected = f"at most {n // batch_size}, as batches of factor times {batch_size} must fit into the {n} examples"
        raise ArgumentError(
            "factors", expected=expected, got=factors[-1], fix="use smaller factors, or a smaller batch"
        )


def _judged(
    sizes: list[int], rates: list[float], losses: HostArray, start: float, tolerance: float, examples: int
) -> LocalCriticalBatchSize:
    """Compare the branches with the smallest.  losses (K, S)"""
    losses = np.where(np.isfinite(losses), losses, np.inf)
    progress = start - losses[0]
    learns = np.isfinite(losses[0]).all() and mean_interval(progress)[0] > 0
    with np.errstate(invalid="ignore"):
        beyond = losses - losses[0] - tolerance * progress  # (K, S): above 0 where a larger batch costs too much
    level = 1 - (1 - LEVEL) / (len(sizes) - 1)
    intervals = [mean_interval(each, level) if np.isfinite(each).all() else (np.inf, np.inf) for each in beyond]
    likely = _leading(sizes, [float(np.mean(each)) <= 0 for each in beyond])
    surely = _leading(sizes, [True, *(upper <= 0 for _, upper in intervals[1:])])
    first = next((size for size, (lower, _) in zip(sizes[1:], intervals[1:], strict=True) if lower > 0), None)
    return LocalCriticalBatchSize(
        likely if learns else None,
        surely if learns else None,
        first if learns else None,
        tuple(sizes),
        tuple(rates),
        losses,
        start,
        np.mean(losses - losses[0], axis=1) if learns else np.full(len(sizes), np.nan),
        tuple(intervals),
        examples,
    )


def _leading(sizes: list[int], holds: list[bool]) -> int:
    """Return the last size before the first for which something does not hold."""
    return sizes[holds.index(False) - 1] if False in holds else sizes[-1]
