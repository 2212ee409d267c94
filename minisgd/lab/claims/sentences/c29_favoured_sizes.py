"""Claim 29: frameworks favour certain batch sizes."""

from __future__ import annotations

import numpy as np

from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import TEN_PERCENT, Rule, above, every
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.pictures import Axes, legend
from minisgd.lab.claims.statistics import Estimate, ratio_of
from minisgd.lab.plots import BLUE, GREY, INK
from minisgd.typing import Generator, HostArray

SIZES = tuple(range(8, 200, 8))
"""At equal distances, so that a straight line puts each in the middle of its neighbours."""

RULE = Rule(
    {
        "stands out": above(
            "a batch size stands out from the middle of its neighbours by at least {margin}", TEN_PERCENT
        )
    },
    supported=every("stands out"),
)


def judge(rng: Generator, times: StepTimes) -> Finding:
    """Look for the batch size that stands out most from the middle of its neighbours."""
    # chosen by one half of the visits and measured by the other: the largest of many would be large by chance
    first, second = departures(times.seconds[::2]), departures(times.seconds[1::2])
    at = int(np.argmax(np.abs(np.median(first, axis=0))))
    sign = float(np.sign(np.median(first[:, at])))
    jump = Estimate.mean(sign * second[:, at])
    b = times.batch_sizes[at + 1]
    ratio = ratio_of(jump if sign > 0 else jump.mapped(lambda x: -x))
    text = (
        f"Between {times.batch_sizes[0]} and {times.batch_sizes[-1]} batch size {b} stands out most in half of the "
        f"visits; in the other half its step takes {ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f}) of the "
        f"middle of its neighbours."
    )

    def draw(ax: Axes) -> None:
        middle = np.exp(np.median(departures(times.seconds), axis=0))
        ax.axhspan(0.9, 1.1, color=GREY, alpha=0.15, lw=0, label="within 10%")
        ax.axhline(1, color=GREY, lw=1)
        ax.plot(times.batch_sizes[1:-1], middle, marker="o", ms=5, lw=1.2, color=BLUE)
        ax.plot([b], [middle[at]], marker="o", ms=11, mfc="none", mec=INK)
        legend(ax)
        ax.set_xlabel("batch size")
        ax.set_ylabel("step time / middle of neighbours")

    effects = [Effect.of(f"step time at batch size {b} / middle of its neighbours", ratio)]
    return Finding.of(RULE, {"stands out": jump}, effects, times.seconds.size, text, draw)


def departures(seconds: HostArray) -> HostArray:
    """Return log t(b) − log of the mean of the times of its two neighbours.  seconds (V, K)   result (V, K − 2)"""
    return np.log(seconds[:, 1:-1]) - np.log((seconds[:, :-2] + seconds[:, 2:]) / 2)


CLAIM = Claim(
    number=29,
    says="Frameworks favour certain batch sizes.",
    sources=("S1",),
    experiment=f"Time steps at {len(SIZES)} batch sizes from {SIZES[0]} to {SIZES[-1]}, visited in random order.",
    effect="How far the batch size that stands out most in half of the visits stands out in the other half: step time "
    "over the middle of its neighbours'; 95% over visits.",
    rule=RULE,
    would_change="A library that changes its method at a threshold, or a processor that works in large tiles.",
    held_fixed="Network, optimizer, dtype, threads; this is about the framework at hand, minisgd on this machine.",
    needs={"times": TimeSteps(batch_sizes=SIZES)},
    judge=judge,
    learns=False,
)
