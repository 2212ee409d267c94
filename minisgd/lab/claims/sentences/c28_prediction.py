"""Claim 28: real-time prediction wants small batches, bulk prediction large ones."""

from __future__ import annotations

import math

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, every, some
from minisgd.lab.claims.experiments.measured_speed import TimePredictions
from minisgd.lab.claims.pictures import Axes, batch_axis, legend
from minisgd.lab.claims.statistics import Estimate
from minisgd.lab.instruments.throughput.latency import LatencyPoint
from minisgd.lab.instruments.throughput.speed import Speed
from minisgd.lab.plots import BLUE, INK, log_axis, spread
from minisgd.lab.statistics import Interval
from minisgd.typing import Generator

ENOUGH = 0.9
"""Of the best throughput: what the smallest batch that reaches it is named for."""

RULE = Rule(
    {
        "waits": above("at the largest batch, p99 latency is at least {margin} longer than for one example", QUARTER),
        "gains": above("it answers at least {margin} more examples per second", QUARTER),
    },
    supported=every("waits", "gains"),
    qualified=some("waits", "gains"),
)


def judge(rng: Generator, predictions: Speed) -> Finding:
    """Ask whether one example is answered sooner alone, and whether many are answered faster together."""
    points = [point for point in predictions.points if isinstance(point, LatencyPoint)]
    one, many = points[0], points[-1]
    wait = _log_ratio(many.p99_seconds, many.p99_interval, one.p99_seconds, one.p99_interval)
    each = [[point.p50_seconds / point.batch_size, *(end / point.batch_size for end in point.interval)]
            for point in (one, many)]  # fmt: skip
    gain = _log_ratio(each[0][0], (each[0][1], each[0][2]), each[1][0], (each[1][1], each[1][2]))
    rates = np.array([point.batch_size / point.p50_seconds for point in points])
    enough = points[int(np.argmax(rates >= ENOUGH * rates.max()))].batch_size
    text = (
        f"One example alone is answered in {words.seconds(one.p50_seconds)} (99% within "
        f"{words.seconds(one.p99_seconds)}), a batch of {many.batch_size} in {words.seconds(many.p50_seconds)} "
        f"({words.seconds(many.p99_seconds)}). Per second the large batch answers {math.exp(gain.value):.3g} times as "
        f"many; batch size {enough} is enough for {100 * ENOUGH:.0f}% of the best throughput."
    )

    def draw(ax: Axes) -> None:
        sizes = [point.batch_size for point in points]
        middle, slow = [point.p50_seconds for point in points], [point.p99_seconds for point in points]
        ax.plot(sizes, middle, marker="o", ms=6, lw=1.8, color=BLUE, label="p50")
        ax.plot(sizes, slow, marker="^", ms=6, lw=1.2, ls=":", color=BLUE, label="p99")
        for b, seconds, rate in zip(sizes, middle, rates.tolist(), strict=True):
            at = dict(xytext=(0, -15), textcoords="offset points", ha="center", fontsize=8.5, color=INK)
            ax.annotate(f"{words.short(rate)}/s", (b, seconds), **at)
        batch_axis(ax, sizes)
        log_axis(ax, *spread([0.7 * middle[0], *middle, *slow]), words.seconds, "seconds of a prediction")
        legend(ax)

    effects = [
        Effect.ratio(f"{what}: batch {many.batch_size} / {one.batch_size}", log)
        for what, log in (("p99 latency", wait), ("throughput", gain))
    ]
    calls = sum(point.calls for point in points)
    return Finding.of(RULE, {"waits": wait, "gains": gain}, effects, calls, text, draw)


def _log_ratio(top: float, top_ends: Interval, bottom: float, bottom_ends: Interval) -> Estimate:
    """Return a log-ratio with the widest interval that the ends allow."""
    low, high = math.log(top_ends[0] / bottom_ends[1]), math.log(top_ends[1] / bottom_ends[0])
    return Estimate(math.log(top / bottom), low, high, low, high)


CLAIM = Claim(
    number=28,
    says="Real-time prediction wants small batches, bulk prediction wants large ones.",
    sources=("S3",),
    experiment="Time every prediction by itself at every batch size, visited in random order.",
    effect="The p99 latency of the largest batch over that of one example, and their throughput likewise; 95% over "
    "visits.",
    rule=RULE,
    would_change="A machine on which a large batch takes no longer than one example, or a network so large that one "
    "example keeps it busy.",
    held_fixed="Network, dtype, threads; data from host memory to host memory.",
    needs={"predictions": TimePredictions()},
    judge=judge,
    learns=False,
)
