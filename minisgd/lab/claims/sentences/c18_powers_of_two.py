"""Claim 18: powers of two are faster."""

from __future__ import annotations

import math

import numpy as np

from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import Rule, below, every, fails
from minisgd.lab.claims.experiments.measured_speed import ComparePowers
from minisgd.lab.claims.pictures import Axes, batch_axis, legend
from minisgd.lab.claims.statistics import Estimate, chosen_among, ratio_of
from minisgd.lab.instruments.throughput.pairs import PowersOfTwo
from minisgd.lab.plots import BLUE, GREY
from minisgd.typing import Generator

FASTER = 0.05
"""Less than 5% of a step is not worth rounding a batch size for."""

MARGIN = -math.log1p(-FASTER)

RULE = Rule(
    {
        "overall": below("powers of two take at least {margin} less time on average", MARGIN),
        "some": below("one of them does, chosen among all", MARGIN),
    },
    supported=every("overall"),
    qualified=every("some"),
    refuted=fails("overall"),
)


def judge(rng: Generator, powers: PowersOfTwo) -> Finding:
    """Compare the steps of powers of two with the mean of their neighbours'."""
    sizes = [power.batch_size for power in powers.powers]
    each = [Estimate.mean(row) for row in np.array(powers.builds).T]
    overall = Estimate.mean(np.mean(powers.builds, axis=1))
    wide = [chosen_among(estimate, len(each)) for estimate in each]
    evidence = {"overall": overall, "some": min(wide, key=lambda estimate: estimate.high)}
    ratio = ratio_of(overall)
    text = (
        f"A step at a power of two takes {ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f}) of what its "
        f"neighbours one example up and down take on average."
    )
    faster = [str(b) for b, estimate in zip(sizes, wide, strict=True) if estimate.high < -MARGIN]
    if faster:
        text += f" Faster by more than {100 * FASTER:.0f}% for certain: {', '.join(faster)}."

    def draw(ax: Axes) -> None:
        ratios = np.array([power.ratio for power in powers.powers])
        ends = np.array([power.interval for power in powers.powers])
        ax.axhspan(1 - FASTER, 1 + FASTER, color=GREY, alpha=0.15, lw=0, label=f"within {100 * FASTER:.0f}%")
        ax.axhline(1, color=GREY, lw=1)
        ax.errorbar(sizes, ratios, np.abs(ends.T - ratios), fmt="o", ms=6, color=BLUE, capsize=3)
        ax.set_ylabel("step time / that of its neighbours")
        batch_axis(ax, sizes)
        legend(ax)

    effects = [Effect.of("step time: powers of two / their neighbours", ratio)]
    effects += [Effect.ratio(f"step time at {b} / its neighbours'", e) for b, e in zip(sizes, each, strict=True)]
    return Finding.of(RULE, evidence, effects, 3 * len(sizes), text, draw)


CLAIM = Claim(
    number=18,
    says="Powers of two are faster.",
    sources=("S1",),
    experiment="Time steps at 2ᵏ − 1, 2ᵏ and 2ᵏ + 1 for k = 3 … 8, in random order, over several builds.",
    effect="Step time at a power of two over the mean of its neighbours', geometric mean; 95% over builds and visits.",
    rule=RULE,
    would_change="A processor or a library that pads every batch to a multiple, as tensor cores do.",
    held_fixed="Network, optimizer, dtype, threads; where a step time is a straight line the ratio is exactly one.",
    needs={"powers": ComparePowers()},
    judge=judge,
    learns=False,
)
