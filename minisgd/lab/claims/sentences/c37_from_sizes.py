"""Claim 37: the batch size follows from the number of samples and the model."""

from __future__ import annotations

import math

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, differs, every, fails, some
from minisgd.lab.claims.experiments import critical
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.experiments.to_target import TargetRuns
from minisgd.lab.claims.pictures import Axes
from minisgd.lab.claims.sentences.c02_overhead import step_line
from minisgd.lab.claims.sentences.c23_data_size import CLAIM as DATA_SIZE
from minisgd.lab.claims.sentences.c23_data_size import NARROW, PARTS
from minisgd.lab.claims.statistics import ratio_of
from minisgd.lab.plots import BLUE, GREY, log_axis, spread
from minisgd.typing import Generator, HostArray

RULE = Rule(
    {
        "data": differs("the time-optimal batch differs by at least {margin} between N examples and N/4", QUARTER),
        "model": differs(
            "it differs by at least {margin} between the network and one of a quarter of its width", QUARTER
        ),
        "target": differs("it differs by at least {margin} between two targets on the same data and network", QUARTER),
    },
    supported=every(some("data", "model"), fails("target")),
    qualified=some("data", "model"),
)


def judge(
    rng: Generator,
    quarter: TargetRuns,
    half: TargetRuns,
    whole: TargetRuns,
    own: TargetRuns,
    times: StepTimes,
    narrow: TargetRuns | None = None,
    medium: TargetRuns | None = None,
    wide: TargetRuns | None = None,
    narrow_times: StepTimes | None = None,
) -> Finding:
    """Compare B* = √(t0·r·Bcrit) between amounts of data, widths of the network, and targets."""
    evidence = {
        "data": critical.trend((0, 1), (quarter, whole), rng).mapped(lambda x: x / 2),
        "target": critical.trend((0, 1), (whole, own), rng).mapped(lambda x: x / 2),
    }
    knee = step_line(times, rng)["knee"]
    problems = [(part, 1.0, math.exp(knee.value), run) for part, run in zip(PARTS, (quarter, half, whole), strict=True)]
    problems.append((1.0, 1.0, math.exp(knee.value), own))
    if narrow is not None and wide is not None and narrow_times is not None:
        less = step_line(narrow_times, rng)["knee"]
        change = critical.trend((0, 1), (narrow, wide), rng).plus(knee).plus(less.mapped(lambda x: -x))
        evidence["model"] = change.mapped(lambda x: x / 2)
        problems += [(1.0, PARTS[0], math.exp(less.value), narrow), (1.0, 1.0, math.exp(knee.value), wide)]
    best = np.array([math.sqrt(k * critical.critical_sizes((run,))[0]) for _, _, k, run in problems])
    predicted = _predicted(np.log([[n, width] for n, width, *_ in problems]), best)
    off = math.exp(float(np.sqrt(np.mean(np.square(np.log(best / predicted))))))
    said = {"data": "four times the data", "model": "four times the width", "target": "another target on the same data"}
    parts = [f"{words.count(ratio_of(effect).value)} times with {said[name]}" for name, effect in evidence.items()]
    text = (
        f"The time-optimal batch, {words.size(best[3])} here, changes by {words.join(parts)}. A power law in the "
        f"number of examples and the width, fitted to {len(best)} problems, is off by a factor of {words.count(off)}."
    )

    def draw(ax: Axes) -> None:
        ends = spread([*best.tolist(), *predicted.tolist()])
        ax.plot(ends, ends, color=GREY, lw=1.4, ls=(0, (5, 3)))
        ax.plot(predicted, best, ls="", marker="o", ms=6, color=BLUE)
        log_axis(ax, *ends, words.short, "predicted from N and width", which="x")
        log_axis(ax, *ends, words.short, "time-optimal batch size")

    return Finding.of(
        RULE,
        evidence,
        [Effect.ratio(f"time-optimal batch: {said[name]} / without", effect) for name, effect in evidence.items()],
        sum(run.training_runs for *_, run in problems),
        text,
        draw,
        critical.cautions((quarter, half, whole), ("N/4", "N/2", "N")),
    )


def _predicted(logs: HostArray, best: HostArray) -> HostArray:
    """Return what a power law in N and width, by least squares, makes of the problems.  logs (P, 2), best (P,)"""
    terms = np.column_stack([np.ones(len(logs)), logs])
    return np.asarray(np.exp(terms @ np.linalg.lstsq(terms, np.log(best))[0]))


CLAIM = Claim(
    number=37,
    says="The batch size follows from the number of samples and the model.",
    sources=("S1", "S2"),
    experiment="The training runs of claim 23, on a quarter, half and all of the examples and with narrower networks, "
    "and the step times of the network and of a quarter of its width: the time-optimal batch is √(t0·r·Bcrit).",
    effect="Ratio of the time-optimal batches with N and N/4 examples, with the full and a quarter of the width, and "
    "of two targets on the same data and network; 95% over paired seeds and visits.",
    rule=RULE,
    would_change="Targets that are as hard at every N, or noise that grows with the data; on another machine the same "
    "data and network have another time-optimal batch.",
    held_fixed="Machine, validation examples, initial weights of each seed, plain SGD with the learning rate tuned at "
    "every batch size.",
    needs={**DATA_SIZE.needs, "times": TimeSteps()},
    optional={**DATA_SIZE.optional, "narrow_times": TimeSteps(NARROW)},
    judge=judge,
    unseen=True,
)
