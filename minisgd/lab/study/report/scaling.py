"""Three views of one race: steps, examples and seconds to the target against batch size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.lab import plots, words
from minisgd.lab.plots import BLUE, GREEN, GREY, INK, ORANGE, Axes, Figure
from minisgd.lab.study.batch_result import BatchResult
from minisgd.lab.study.curves import Timing
from minisgd.lab.study.report.axes import batch_axis
from minisgd.lab.study.result import StudyResult
from minisgd.typing import HostArray


@dataclass(frozen=True)
class _View:
    """Price a step in some unit: at a batch size that was tested, and (where known) along the fitted curve."""

    title: str
    axis: str
    curve: str
    say: Callable[[float], str]
    at_batch: Callable[[BatchResult], float]
    along: Callable[[HostArray], HostArray] | None


def draw_steps(result: StudyResult) -> Figure:
    """Draw S(B), log-log: perfect scaling is a slope of −1, the plateau a slope of 0."""
    view = _View("Steps", "steps to target", "fit Smin + Emin/B", words.short, lambda b: 1.0, np.ones_like)
    return _draw(result, view, guide=True)


def draw_examples(result: StudyResult) -> Figure:
    """Draw E(B) = B·S(B): perfect scaling is level, the plateau a slope of 1."""
    view = _View("Examples", "examples to target", "fit Emin + B·Smin", words.short, lambda b: b.batch_size, np.asarray)
    return _draw(result, view, guide=True)


def draw_seconds(result: StudyResult) -> Figure:
    """Draw S(B)·t(B): what the wall clock sees, lowest where few examples and few pauses meet."""
    along = None if result.timing is None else _step_time(result.timing)
    view = _View("Time", "time to target", "predicted S(B) · t(B)", words.seconds, lambda b: b.step_seconds, along)
    return _draw(result, view, guide=False)


def _step_time(timing: Timing) -> Callable[[HostArray], HostArray]:
    return lambda batch: timing.t0_seconds + batch / timing.examples_per_second


def _draw(result: StudyResult, view: _View, guide: bool) -> Figure:
    page, ax = plots.figure(f"{view.title} to reach {result.target}")
    batch_axis(ax, result)
    keys, seen = _points(ax, result, view)
    fit = result.fit
    if fit.s_min is not None and fit.e_min is not None and view.along is not None:
        at, low, high = (np.asarray(row) for row in (fit.band_at, fit.band_low, fit.band_high))
        price = view.along(at)
        ax.fill_between(at, low * price, high * price, color=BLUE, alpha=0.14, lw=0)
        ax.plot(at, (fit.s_min + fit.e_min / at) * price, color=BLUE, lw=1.8)
        keys.append(plots.key(view.curve, color=BLUE, lw=1.8))
        if guide and fit.e_min > 0:
            ax.plot(at, fit.e_min / at * price, color=GREY, lw=1.3, ls=(0, (5, 3)))
            keys.append(plots.key("perfect scaling", color=GREY, lw=1.3, ls=(0, (5, 3))))
    left, right = ax.get_xlim()
    if fit.s_min is not None and left < fit.b_crit < right:
        span = max(fit.b_crit_low, left), min(fit.b_crit_high, right)
        ax.axvspan(*span, color=GREEN, alpha=0.12, lw=0)
        ax.axvline(fit.b_crit, color=GREEN, lw=1.6)
        interval = f"{words.size(fit.b_crit_low)} – {words.size(fit.b_crit_high)}"
        keys.append(plots.key(f"Bcrit = {words.size(fit.b_crit)}  ({interval})", color=GREEN, lw=1.6))
    best = None if result.timing is None else result.timing.time_optimal_batch
    if not guide and best is not None and left < best < right:
        ax.axvline(best, color=INK, lw=1.2, ls=":")
        keys.append(plots.key(f"time-optimal batch = {words.size(best)}", color=INK, lw=1.2, ls=":"))
    if fit.s_min is not None and len(result.seeds) > 1:
        keys.append(plots.patch("95% interval of the fit", facecolor=BLUE, alpha=0.2))
    plots.log_axis(ax, *plots.spread(seen), view.say, view.axis)
    plots.legend(page, keys, columns=3)
    return page


def _mark(ax: Axes, b: BatchResult, height: float, result: StudyResult) -> None:
    """Draw the point of a batch size, the recommended one in its own colour."""
    chosen = b.batch_size == result.recommendation.batch_size
    look = dict(marker="*", ms=17, color=ORANGE) if chosen else dict(marker="o", ms=7, color=INK)
    ax.plot(b.batch_size, height, ls="", mec="white", mew=0.8, zorder=5 if chosen else 4, **look)


def _points(ax: Axes, result: StudyResult, view: _View) -> tuple[list[Any], list[float]]:
    """Draw each batch size as its median and interval, or as an open triangle where it was not reached.

    Returns the keys of what was drawn and the heights that the axis must show.
    """
    reached = [b for b in result.batch_sizes if math.isfinite(b.steps_to_target.median)]
    missed = [b for b in result.batch_sizes if not math.isfinite(b.steps_to_target.median)]
    keys, seen = [], []
    for b in reached:
        got, price = b.steps_to_target, view.at_batch(b)
        top = got.high if math.isfinite(got.high) else b.max_steps
        if math.isnan(got.low):  # a single seed
            seen.append(got.median * price)
            _mark(ax, b, got.median * price, result)
            continue
        low = got.low if got.low > 0 else got.median
        ax.plot([b.batch_size] * 2, [low * price, top * price], color=INK, lw=1.4, zorder=3)
        if not math.isfinite(got.high):
            ax.plot(b.batch_size, top * price, ls="", marker=6, ms=7, color=INK, zorder=3)
        _mark(ax, b, got.median * price, result)
        seen += [low * price, got.median * price, top * price]
    for b in missed:
        height = b.max_steps * view.at_batch(b)
        ax.plot(b.batch_size, height, ls="", marker="^", ms=9, mfc="white", mec=INK, mew=1.4, zorder=4)
        seen.append(height)
    if any(b.batch_size != result.recommendation.batch_size for b in reached):
        keys.append(
            plots.key(f"median of {words.plural(len(result.seeds), 'seed')}", ls="", marker="o", ms=7, color=INK)
        )
    if result.recommendation.batch_size is not None:
        keys.append(plots.key("recommended", ls="", marker="*", ms=13, color=ORANGE))
    if missed:
        keys.append(plots.key("not reached: takes more than this", ls="", marker="^", ms=8, mfc="white", mec=INK))
    return keys, seen
