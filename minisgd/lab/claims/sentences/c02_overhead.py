"""Claim 2: the overhead of a step."""

from __future__ import annotations

from functools import partial

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import Rule, above, every
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.pictures import Axes, against_batch, reference
from minisgd.lab.claims.statistics import Estimate, drawn, ratio_of
from minisgd.lab.timing.fit import fit_affine
from minisgd.typing import Generator, HostArray

MARGIN = 0.1
"""Overhead of less than a tenth of a step is none."""


def step_line(times: StepTimes, rng: Generator) -> dict[str, Estimate]:
    """Estimate t0, the seconds of an example 1/r, the log of the knee t0·r, and t0's share, over the visits."""
    sizes, logs = np.array(times.batch_sizes, float), np.log(times.seconds.T)  # (K,), (K, V)

    def quantity(name: str, means: HostArray) -> HostArray:
        t0, each, _ = fit_affine(sizes, np.exp(means))
        each = np.maximum(each, 1e-300)
        if name == "knee":
            return np.asarray(np.log(np.maximum(t0, 1e-300) / each))
        found: dict[str, HostArray] = {"t0": t0, "each": each, "share": t0 / (t0 + each * sizes[0])}
        return found[name]

    # the same draws for all four, as they are of one line
    names, seed = ("t0", "each", "knee", "share"), int(np.random.default_rng(rng.integers(2**32)).integers(2**32))
    return {name: drawn(partial(quantity, name), logs, np.random.default_rng(seed)) for name in names}


RULE = Rule(
    {
        "share": above("overhead is more than {margin} of the smallest batch's step", MARGIN, "number"),
        "knee": above("the knee t0·r lies above one example", 0.0),
    },
    supported=every("share", "knee"),
    qualified=every("share"),
)


def judge(rng: Generator, times: StepTimes) -> Finding:
    """Fit t(B) = t0 + B/r and ask which share of the smallest step is t0."""
    line = step_line(times, rng)
    share, knee, smallest = line["share"], ratio_of(line["knee"]), times.batch_sizes[0]
    text = (
        f"{100 * share.value:.0f}% of a step at batch size {smallest} is overhead ({words.seconds(line['t0'].value)} a "
        f"step); overhead and work are equal at batch size {words.size(knee.value)}."
    )

    def draw(ax: Axes) -> None:
        sizes = np.array(times.batch_sizes, float)
        against_batch(ax, times.batch_sizes, times.seconds.T, "seconds of a step", name="measured")
        reference(ax, sizes, line["t0"].value + sizes * line["each"].value, "t0 + B/r")

    effects = [
        Effect.of(f"overhead's share of a step at batch size {smallest}", share),
        Effect.of("seconds of overhead t0", line["t0"]),
        Effect.of("knee t0·r", knee),
    ]
    evidence = {"share": share, "knee": line["knee"]}
    return Finding.of(RULE, evidence, effects, times.seconds.size, text, draw)


CLAIM = Claim(
    number=2,
    says="Small batches pay launch and synchronisation overhead.",
    sources=("S0",),
    experiment="Time updates of single networks at every batch size, visited in random order, nothing else running.",
    effect="The share t0/(t0 + B/r) of the smallest batch's step in the fit t(B) = t0 + B/r; 95% over the visits.",
    rule=RULE,
    would_change="A larger network or a slower processor, on which even one example keeps the machine busy.",
    held_fixed="Network, optimizer, dtype, BLAS threads by the size of the work.",
    needs={"times": TimeSteps()},
    judge=judge,
    learns=False,
)
