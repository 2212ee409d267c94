"""Claim 18: powers of two are faster."""

from __future__ import annotations

import numpy as np

from minisgd.lab.claims.claim import Claim, Effect, Finding, Verdict
from minisgd.lab.claims.experiments.measured_speed import ComparePowers
from minisgd.lab.claims.pictures import Axes, batch_axis
from minisgd.lab.instruments.throughput.pairs import PowersOfTwo
from minisgd.lab.plots import BLUE, GREY, INK
from minisgd.typing import Generator

MARGIN = 0.05
"""Less than 5% of a step is not worth rounding a batch size for."""


def judge(rng: Generator, powers: PowersOfTwo) -> Finding:
    """Compare the steps of powers of two with the mean of their neighbours'."""
    low, high = powers.interval
    faster = [power for power in powers.powers if power.interval[1] < 1 - MARGIN]
    if powers.ratio < 1 - MARGIN and high < 1:
        verdict: Verdict = "supported"
    elif faster:
        verdict = "qualified"
    else:
        verdict = "refuted" if low > 1 - MARGIN else "not decided"
    text = (
        f"A step at a power of two takes {powers.ratio:.3f} ({low:.3f} to {high:.3f}) of what its neighbours one "
        f"example up and down take on average."
    )
    if faster:
        sizes = ", ".join(str(power.batch_size) for power in faster)
        text += f" Faster by more than {100 * MARGIN:.0f}% for certain: {sizes}."

    def draw(ax: Axes) -> None:
        sizes = [power.batch_size for power in powers.powers]
        ratios = np.array([power.ratio for power in powers.powers])
        ends = np.array([power.interval for power in powers.powers])
        ax.axhspan(1 - MARGIN, 1 + MARGIN, color=GREY, alpha=0.15, lw=0, label=f"within {100 * MARGIN:.0f}%")
        ax.axhline(1, color=GREY, lw=1)
        ax.errorbar(sizes, ratios, np.abs(ends.T - ratios), fmt="o", ms=6, color=BLUE, capsize=3)
        ax.set_ylabel("step time / that of its neighbours", fontsize=9.5, color=INK)
        batch_axis(ax, sizes)
        ax.legend(frameon=False, fontsize=8.8, labelcolor=INK)

    each = tuple(Effect(f"step time at {p.batch_size} / its neighbours'", p.ratio, *p.interval) for p in powers.powers)
    effect = Effect("step time: powers of two / their neighbours", powers.ratio, low, high)
    return Finding(verdict, effect, 3 * len(powers.powers), text, draw, each)


CLAIM = Claim(
    number=18,
    says="Powers of two are faster.",
    sources=("S1",),
    experiment="Time steps at 2ᵏ − 1, 2ᵏ and 2ᵏ + 1 for k = 3 … 8, in random order, over several builds.",
    effect="Step time at a power of two over the mean of its neighbours', geometric mean; 95% over builds and visits.",
    rule="Supported if powers are faster by more than 5% on the whole; qualified if only some of them are; refuted "
    "if a gain of 5% is excluded.",
    would_change="A processor or a library that pads every batch to a multiple, as tensor cores do.",
    held_fixed="Network, optimizer, dtype, threads; where a step time is a straight line the ratio is exactly one.",
    needs={"powers": ComparePowers()},
    judge=judge,
)
