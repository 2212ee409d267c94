"""Claim 2: the overhead of a step."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding, Verdict
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.pictures import Axes, against_batch, reference
from minisgd.lab.claims.statistics import Estimate
from minisgd.lab.timing.fit import fit_affine
from minisgd.typing import Generator, HostArray

MARGIN = 0.1
"""Overhead of less than a tenth of a step is none."""


def step_line(times: StepTimes, rng: Generator) -> dict[str, Estimate]:
    """Estimate t0, the seconds of an example 1/r, and the knee t0·r, over resampled visits."""
    sizes = np.array(times.batch_sizes, float)

    def fits(rows: HostArray) -> HostArray:
        return np.array([fit_affine(sizes, np.median(times.seconds[row], axis=0))[:2] for row in rows])

    visits = len(times.seconds)
    drawn = rng.integers(visits, size=(400, visits))
    sample = np.concatenate([fits(np.arange(visits)[None]), fits(drawn)])  # the first is the estimate
    t0, each = sample[:, 0], np.maximum(sample[:, 1], 1e-300)
    quantities = {"t0": t0, "each": each, "knee": t0 / each, "share": t0 / (t0 + each * sizes[0])}
    return {name: Estimate.of(float(values[0]), values[1:]) for name, values in quantities.items()}


def judge(rng: Generator, times: StepTimes) -> Finding:
    """Fit t(B) = t0 + B/r and ask which share of the smallest step is t0."""
    line = step_line(times, rng)
    share, smallest = line["share"], times.batch_sizes[0]
    if share.low > MARGIN:
        verdict: Verdict = "supported" if line["knee"].low > 1 else "qualified"
    else:
        verdict = "refuted" if share.high < MARGIN else "not decided"
    text = (
        f"{100 * share.value:.0f}% of a step at batch size {smallest} is overhead ({words.seconds(line['t0'].value)} a "
        f"step); overhead and work are equal at batch size {words.size(line['knee'].value)}."
    )

    def draw(ax: Axes) -> None:
        sizes = np.array(times.batch_sizes, float)
        against_batch(ax, times.batch_sizes, times.seconds.T, "seconds of a step", name="measured")
        reference(ax, sizes, line["t0"].value + sizes * line["each"].value, "t0 + B/r")

    effects = [Effect.of(f"overhead's share of a step at batch size {smallest}", share)]
    for name, key in (("seconds of overhead t0", "t0"), ("knee t0·r", "knee")):
        effects.append(Effect.of(name, line[key]))
    return Finding(verdict, effects[0], times.seconds.size, text, draw, tuple(effects[1:]))


CLAIM = Claim(
    number=2,
    says="Small batches pay launch and synchronisation overhead.",
    sources=("S0",),
    experiment="Time updates of single networks at every batch size, visited in random order, nothing else running.",
    effect="The share t0/(t0 + B/r) of the smallest batch's step in the fit t(B) = t0 + B/r; 95% over the visits.",
    rule="Supported if the share is above 10% and the knee above one example; qualified if the knee is below; "
    "refuted if the share is below 10%.",
    would_change="A larger network or a slower processor, on which even one example keeps the machine busy.",
    held_fixed="Network, optimizer, dtype, BLAS threads by the size of the work.",
    needs={"times": TimeSteps()},
    judge=judge,
)
