"""Made-up results of experiments, whose truth is known: feed them to ``judge`` and see the verdict turn.

Every builder takes the truth as functions of the batch size, and scatters the seeds a little around it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minisgd.lab.claims.claim import Finding
from minisgd.lab.claims.experiments.distinct import Distinct
from minisgd.lab.claims.experiments.escape import Escape
from minisgd.lab.claims.experiments.fixed_budget import HALVES, Ending, Endings
from minisgd.lab.claims.experiments.gradient_error import GradientError
from minisgd.lab.claims.experiments.gradient_variance import GradientVariance
from minisgd.lab.claims.experiments.input_shift import InputShift
from minisgd.lab.claims.experiments.measured import Memory, StepTimes
from minisgd.lab.claims.experiments.peak import Utilisation
from minisgd.lab.claims.experiments.ranks import Exchange
from minisgd.lab.claims.experiments.step_flops import StepFlops
from minisgd.lab.claims.experiments.to_target import TargetRuns
from minisgd.lab.claims.sentences.table import CLAIMS
from minisgd.lab.instruments.throughput.latency import LatencyPoint
from minisgd.lab.instruments.throughput.pairs import PowersOfTwo, compare
from minisgd.lab.instruments.throughput.speed import Speed, summarise
from minisgd.lab.study.target import Target
from minisgd.lab.timing.all_reduce import AllReduce

SIZES = (4, 16, 64, 256, 1024)
SEEDS = 8
N = 1437

Curve = Callable[[float], float]


def judged(number: int, **results: Any) -> Finding:
    """Return the finding of a claim on results."""
    return CLAIMS[number].judge(np.random.default_rng(0), **results)


def target_runs(
    steps: Curve,
    best_lr: Curve = lambda b: 0.1,
    *,
    width: float = 1.0,
    sizes: Sequence[int] = SIZES,
    seeds: int = SEEDS,
    noise: float = 0.03,
    n_train: int = N,
    reached: Callable[[int, int], bool] = lambda b, seed: True,
    seed: int = 0,
) -> TargetRuns:
    """Make training runs to a target: steps(B) at best_lr(B), more by (1 + distance²) away from it.

    width: decades from the best learning rate at which the steps double
    """
    rng = np.random.default_rng(seed)
    by_seed = rng.normal(size=seeds)  # paired: a seed is easy or hard at every batch size
    rates, tables = [], []
    for b in sizes:
        grid = best_lr(b) * 10 ** (np.arange(-3, 4) / 4)
        away = 1 + np.square(np.log10(grid / best_lr(b)) / width)
        table = steps(b) * away[:, None] * np.exp(noise * (by_seed + rng.normal(size=(len(grid), seeds))))
        table[:, [not reached(b, s) for s in range(seeds)]] = math.inf
        rates.append(grid)
        tables.append(table)
    losses = tuple(np.full(table.shape, 0.1) for table in tables)
    return TargetRuns(
        tuple(sizes),
        tuple(rates),
        tuple(tables),
        losses,
        tuple(t > 0 for t in tables),
        n_train,
        Target("val_loss", 0.1),
    )


def step_times(
    t0: float = 2e-5,
    examples_per_second: float = 4e6,
    *,
    sizes: Sequence[int] = (1, *SIZES),
    visits: int = 11,
    noise: float = 0.01,
    n_train: int = N,
    seconds: Curve | None = None,
) -> StepTimes:
    """Make step times t0 + B/r, or any function of the batch size."""
    rng = np.random.default_rng(0)
    truth = np.array([seconds(b) if seconds else t0 + b / examples_per_second for b in sizes])
    return StepTimes(tuple(sizes), truth * np.exp(noise * rng.normal(size=(visits, len(sizes)))), n_train)


def memory(fixed: float, activations: float, gradients: float = 0.0, *, sizes: Sequence[int] = (1, *SIZES)) -> Memory:
    """Make bytes: a fixed part, and what activations and gradients of the weights add for every example."""
    b = np.array(sizes, float)
    owners = {"activations": 10 + activations * b, "gradients": fixed / 2 + gradients * b, "parameters": 0 * b + fixed}
    return Memory(tuple(sizes), fixed + (activations + gradients) * b, owners)


def gradient_variance(power: float, *, sizes: Sequence[int] = SIZES, noise: float = 0.02) -> GradientVariance:
    """Make variances that go as B^power, with the factor of drawing without replacement."""
    rng, b = np.random.default_rng(0), np.array(sizes, float)
    truth = b**power * (1 - b / N)
    return GradientVariance(tuple(sizes), truth[:, None] * np.exp(noise * rng.normal(size=(len(sizes), SEEDS))), N)


def endings(
    value: Callable[[int, float, int], dict[str, Any]],
    *,
    sizes: Sequence[int] = SIZES,
    rates: Sequence[float] = tuple(0.1 * m for m in HALVES),
    seeds: int = SEEDS,
    n_train: int = N,
) -> Endings:
    """Make training runs with a fixed budget: value(B, lr, seed) gives the fields of Ending that matter."""
    nothing = {"steps": 100, "diverged": False, "train_loss": 0.1, "train_accuracy": 0.99, "val_loss": 0.2,
               "val_accuracy": 0.95}  # fmt: skip
    cells = [[[Ending(b, lr, s, **(nothing | value(b, lr, s))) for s in range(seeds)] for lr in rates] for b in sizes]
    return Endings(tuple(sizes), np.tile(np.array(rates, float), (len(sizes), 1)), cells, n_train)


def distinct(examples: Curve, classes: Curve | None = None, *, sizes: Sequence[int] = SIZES) -> Distinct:
    """Make counts of what a batch shows, nearly alike for all seeds."""
    rng = np.random.default_rng(0)
    tables = [
        np.array([[curve(b)] for b in sizes]) * np.exp(0.01 * rng.normal(size=(len(sizes), SEEDS)))
        for curve in (examples, classes)
        if curve is not None
    ]
    return Distinct(tuple(sizes), tables[0], tables[1] if classes else None)


def step_flops(each: float, update: float, *, sizes: Sequence[int] = SIZES) -> StepFlops:
    """Make the arithmetic of a step: so much for every example, and for the update."""
    return StepFlops(tuple(sizes), update + each * np.array(sizes, float))


def powers_of_two(ratio: Curve, *, noise: float = 0.01) -> PowersOfTwo:
    """Make step times on a straight line, but for the powers of two: there times a ratio."""
    rng, powers = np.random.default_rng(0), (8, 16, 32, 64, 128, 256)
    truth = np.array([(1e-5 + 1e-7 * (b + d)) * (1 if d else ratio(b)) for b in powers for d in (-1, 0, 1)])
    seconds = truth * np.exp(noise * rng.normal(size=(5, 5, len(truth))))  # (builds, visits, 3K)
    return compare(powers, seconds, N)


def predictions(p50: Curve, *, sizes: Sequence[int] = (1, *SIZES)) -> Speed:
    """Make times of predictions: their medians, of which one in a hundred calls takes half as long again."""
    rng = np.random.default_rng(0)
    taken = np.array([p50(b) for b in sizes]) * np.exp(0.01 * rng.normal(size=(11, len(sizes))))
    line = summarise(sizes, taken, N, "made up", rng)
    points = [(point.batch_size, point.step_seconds, point.interval, 1.0, 0.0) for point in line.points]
    slow = [(1.5 * t, (1.4 * t, 1.6 * t)) for _, t, *_ in points]
    return replace(line, points=tuple(LatencyPoint(*a, a[1], *b, 1000) for a, b in zip(points, slow, strict=True)))


def input_shift(size: float) -> InputShift:
    """Make changes of inputs of a size, in 20 steps."""
    return InputShift(size * np.exp(0.05 * np.random.default_rng(0).normal(size=(20, SEEDS))))


def utilisation(share: Curve) -> Utilisation:
    """Make shares of a peak of 100 GFLOP/s."""
    rng = np.random.default_rng(0)
    table = np.array([share(b) for b in SIZES]) * np.exp(0.02 * rng.normal(size=(7, len(SIZES))))
    return Utilisation(SIZES, table, np.full(7, 1e11))


def exchange(latency: float) -> Exchange:
    """Make ranks that add up gradients of 40 kB in about 2 log2 n latencies."""
    return Exchange(AllReduce(latency, 1e12), 40_000)


def escape(lambda_max: float, train_loss: float) -> Escape:
    """Make an excursion to a small batch that changes λmax and the training loss by these factors, in the end."""
    rng, steps = np.random.default_rng(0), (100, 200, 204, 300, 400, 404, 500, 600)

    def runs(sharpness: float, loss: float) -> dict[str, Any]:
        ends = {"lambda_max": 3 * sharpness, "train_loss": 0.1 * loss, "val_loss": 0.2 * loss}
        return {k: v * np.exp(0.03 * rng.normal(size=(len(steps), SEEDS))) for k, v in ends.items()}

    return Escape(4, 1024, 0.1, 200, 400, steps, runs(lambda_max, train_loss), runs(1, 1))


def sharpness(factor: float) -> Endings:
    """Make sharpness that changes by a factor from the smallest to the largest batch size."""
    rng = np.random.default_rng(0)

    def ending(b: int, _: float, seed: int) -> dict[str, Any]:
        value = factor ** (math.log(b / SIZES[0]) / math.log(SIZES[-1] / SIZES[0]))
        extra = {name: value * math.exp(0.03 * rng.normal()) for name in ("lambda_max", "keskar", "sam")}
        return {"extra": extra}

    return endings(ending, rates=(0.1,))


def gradient_error(smallest: float) -> GradientError:
    """Make errors that fall as 1/√B from that of the smallest batch, down to none of the full batch."""
    rng, sizes = np.random.default_rng(0), np.array([*SIZES, N])
    truth = smallest * np.sqrt((1 / sizes - 1 / N) / (1 / SIZES[0] - 1 / N))
    return GradientError(tuple(sizes.tolist()), truth[:, None] * np.exp(0.02 * rng.normal(size=(len(sizes), SEEDS))))
