"""Claim 28: real-time prediction wants small batches, bulk prediction large ones."""

from __future__ import annotations

import math

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding, Verdict
from minisgd.lab.claims.decision import QUARTER
from minisgd.lab.claims.experiments.measured_speed import TimePredictions
from minisgd.lab.claims.pictures import Axes, batch_axis
from minisgd.lab.instruments.throughput.latency import LatencyPoint
from minisgd.lab.instruments.throughput.speed import Speed
from minisgd.lab.plots import BLUE, INK, log_axis, spread
from minisgd.typing import Generator

ENOUGH = 0.9
"""Of the best throughput: what the smallest batch that reaches it is named for."""


def judge(rng: Generator, predictions: Speed) -> Finding:
    """Ask whether one example is answered sooner alone, and whether many are answered faster together."""
    points = [point for point in predictions.points if isinstance(point, LatencyPoint)]
    one, many = points[0], points[-1]
    wait = _ratio(f"p99 latency: batch {many.batch_size} / {one.batch_size}", many.p99_seconds, many.p99_interval,
                  one.p99_seconds, one.p99_interval)  # fmt: skip
    per_example = [[end / point.batch_size for end in point.interval] for point in (one, many)]
    gain = _ratio(
        f"throughput: batch {many.batch_size} / {one.batch_size}",
        one.p50_seconds / one.batch_size,
        (per_example[0][0], per_example[0][1]),
        many.p50_seconds / many.batch_size,
        (per_example[1][0], per_example[1][1]),
    )
    verdict = _verdict(wait, gain)
    rates = np.array([point.batch_size / point.p50_seconds for point in points])
    enough = points[int(np.argmax(rates >= ENOUGH * rates.max()))].batch_size
    text = (
        f"One example alone is answered in {words.seconds(one.p50_seconds)} (99% within "
        f"{words.seconds(one.p99_seconds)}), a batch of {many.batch_size} in {words.seconds(many.p50_seconds)} "
        f"({words.seconds(many.p99_seconds)}). Per second the large batch answers {gain.value:.3g} times as many; "
        f"batch size {enough} is enough for {100 * ENOUGH:.0f}% of the best throughput."
    )

    def draw(ax: Axes) -> None:
        sizes = [point.batch_size for point in points]
        middle, slow = [point.p50_seconds for point in points], [point.p99_seconds for point in points]
        ax.plot(sizes, middle, marker="o", ms=6, lw=1.8, color=BLUE, label="p50")
        ax.plot(sizes, slow, marker="^", ms=6, lw=1.2, ls=":", color=BLUE, label="p99")
        for point in points:
            rate = f"{words.short(point.batch_size / point.p50_seconds)}/s"
            at = (point.batch_size, point.p50_seconds)
            ax.annotate(rate, at, (0, -15), textcoords="offset points", ha="center", fontsize=8.5, color=INK)
        batch_axis(ax, sizes)
        log_axis(ax, *spread([0.7 * middle[0], *middle, *slow]), words.seconds, "seconds of a prediction")
        ax.legend(frameon=False, fontsize=8.8, labelcolor=INK)

    return Finding(verdict, wait, sum(point.calls for point in points), text, draw, (gain,))


def _ratio(
    name: str, top: float, top_ends: tuple[float, float], bottom: float, bottom_ends: tuple[float, float]
) -> Effect:
    """Return a ratio with the widest interval that the ends allow."""
    return Effect(name, top / bottom, top_ends[0] / bottom_ends[1], top_ends[1] / bottom_ends[0])


def _verdict(wait: Effect, gain: Effect) -> Verdict:
    margin = math.exp(QUARTER)
    true = [effect.low > 1 and effect.value > margin for effect in (wait, gain)]
    false = [effect.high < margin for effect in (wait, gain)]
    if all(true):
        return "supported"
    if any(true) and any(false):
        return "qualified"
    return "refuted" if all(false) else "not decided"


CLAIM = Claim(
    number=28,
    says="Real-time prediction wants small batches, bulk prediction wants large ones.",
    sources=("S3",),
    experiment="Time every prediction by itself at every batch size, visited in random order.",
    effect="The p99 latency of the largest batch over that of one example, and their throughput likewise; 95% over "
    "visits.",
    rule="Supported if a large batch both answers later and answers more per second, by more than 25% each; qualified "
    "if only one of the two holds; refuted if neither does.",
    would_change="A machine on which a large batch takes no longer than one example, or a network so large that one "
    "example keeps it busy.",
    held_fixed="Network, dtype, threads; data from host memory to host memory.",
    needs={"predictions": TimePredictions()},
    judge=judge,
)
