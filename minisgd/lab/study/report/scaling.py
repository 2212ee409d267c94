"""Four views of one race: steps, examples, seconds and FLOPs to the target against batch size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.lab import plots, words
from minisgd.lab.page import say
from minisgd.lab.plots import BLUE, GREEN, GREY, INK, ORANGE, Axes, Figure
from minisgd.lab.study.batch_result import BatchResult
from minisgd.lab.study.report.axes import batch_axis, link, mark, name
from minisgd.lab.study.result import StudyResult
from minisgd.typing import HostArray


@dataclass(frozen=True)
class Unit:
    """Price a step in some unit: at a batch size that was tested, and (where known) along the fitted curve.

    Perfect scaling, Emin/B steps, is drawn where it is a straight line.
    """

    name: str
    curve: str
    say: Callable[[float], str]
    at_batch: Callable[[BatchResult], float]
    along: Callable[[HostArray], HostArray] | None
    guide: bool = False


def units(result: StudyResult) -> list[Unit]:
    """Return in what the way to the target can be counted: steps, examples, seconds, and FLOPs where they are known.

    S(B), log-log: perfect scaling is a slope of −1, the plateau a slope of 0. B·S(B): level, and a slope of 1.
    S(B)·t(B) is what the wall clock sees, lowest where few examples and few pauses meet.
    """
    timing = result.timing
    flops = [b.step_flops for b in result.batch_sizes]
    found = [
        Unit("steps", "fit Smin + Emin/B", words.short, lambda b: 1.0, np.ones_like, guide=True),
        Unit("examples", "fit Emin + B·Smin", words.short, lambda b: b.batch_size, np.asarray, guide=True),
        Unit(
            "time",
            "predicted S(B) · t(B)",
            words.seconds,
            lambda b: b.step_seconds,
            None if timing is None else lambda batch: timing.t0_seconds + batch / timing.examples_per_second,
        ),
    ]
    if flops and None not in flops:
        sizes, known = [b.batch_size for b in result.batch_sizes], [float(f or 0) for f in flops]
        found.append(
            Unit(
                "FLOPs",
                "fit S(B) · FLOPs of a step",
                words.short,
                lambda b: b.step_flops or 0.0,
                lambda batch: np.interp(batch, sizes, known),
            )
        )
    return found


def draw_race(result: StudyResult, unit: Unit) -> Figure:
    """Draw what it took to reach the target against batch size, counted in a unit, log-log."""
    page, ax = plots.figure(f"{unit.name[0].upper()}{unit.name[1:]} to reach {result.target}")
    batch_axis(ax, result)
    keys, seen = _points(ax, result, unit)
    fit = result.fit
    if fit.s_min is not None and fit.e_min is not None and unit.along is not None:
        at, low, high = (np.asarray(row) for row in (fit.band_at, fit.band_low, fit.band_high))
        price = unit.along(at)
        ax.fill_between(at, low * price, high * price, color=BLUE, alpha=0.14, lw=0)
        ax.plot(at, (fit.s_min + fit.e_min / at) * price, color=BLUE, lw=1.8)
        keys.append(plots.key(unit.curve, color=BLUE, lw=1.8))
        if unit.guide and fit.e_min > 0:
            ax.plot(at, fit.e_min / at * price, color=GREY, lw=1.3, ls=(0, (5, 3)))
            keys.append(plots.key("perfect scaling", color=GREY, lw=1.3, ls=(0, (5, 3))))
    left, right = ax.get_xlim()
    definitions = ("Bcrit = Emin/Smin", (fit.b_crit, *fit.interval), "-"), ("20% over linear", fit.b_20, (0, (4, 2)))
    for definition, (middle, *ends), dashes in definitions if fit.s_min is not None else ():
        if left < middle < right:
            ax.axvspan(max(ends[0], left), min(ends[1], right), color=GREEN, alpha=0.12, lw=0)
            ax.axvline(middle, color=GREEN, lw=1.6, ls=dashes)
            interval = words.interval(ends[0], ends[1], words.size)
            keys.append(plots.key(f"{definition} = {words.size(middle)}  ({interval})", color=GREEN, lw=1.6, ls=dashes))
    best = None if result.timing is None else result.timing.time_optimal_batch
    if unit.name == "time" and best is not None and left < best < right:
        ax.axvline(best, color=INK, lw=1.2, ls=":")
        keys.append(plots.key(f"time-optimal batch = {words.size(best)}", color=INK, lw=1.2, ls=":"))
    if fit.s_min is not None and len(result.seeds) > 1:
        keys.append(plots.patch("95% interval of the fit", facecolor=BLUE, alpha=0.2))
    plots.log_axis(ax, *plots.spread(seen), unit.say, f"{unit.name} to target")
    plots.legend(page, keys, columns=3)
    return page


def _numbers(b: BatchResult, unit: Unit) -> str:
    """Say what is behind a point: the median with its interval, the seeds, the learning rate."""
    got = b.seconds_to_target if unit.name == "time" else b.steps_to_target.scaled(unit.at_batch(b))
    there = words.interval(got.low, got.high, words.seconds if unit.name == "time" else words.count)
    if math.isfinite(got.median):
        found = f"{_counted(unit, got.median)}" + (f"\n95% interval {there}" if there else "")
    else:
        found = f"not reached within {_counted(unit, b.max_steps * unit.at_batch(b))}"
    seeds = f"{got.reached} of {words.plural(got.reached + got.censored, 'seed')} reached the target"
    return f"{name(b)}\n{found}\n{seeds}\nlearning rate {words.number(b.lr)}"


def _counted(unit: Unit, value: float) -> str:
    return unit.say(value) if unit.name == "time" else f"{words.count(value)} {unit.name}"


def _points(ax: Axes, result: StudyResult, unit: Unit) -> tuple[list[Any], list[float]]:
    """Draw each batch size as its median and interval, or as an open triangle where it was not reached.

    Returns the keys of what was drawn and the heights that the axis must show.
    """
    reached = [b for b in result.batch_sizes if b.reached]
    missed = [b for b in result.batch_sizes if not b.reached]
    keys, seen = [], []
    for b in reached:
        got, price = b.steps_to_target, unit.at_batch(b)
        mark(ax, b, got.median * price, result, _numbers(b, unit))
        seen.append(got.median * price)
        if math.isnan(got.low):  # a single seed
            continue
        top = got.high if math.isfinite(got.high) else b.max_steps
        low = got.low if got.low > 0 else got.median
        ax.plot([b.batch_size] * 2, [low * price, top * price], color=INK, lw=1.4, zorder=3)
        if not math.isfinite(got.high):
            (arrow,) = ax.plot(b.batch_size, top * price, ls="", marker=6, ms=7, color=INK, zorder=3)
            say(arrow, [])
        seen += [low * price, top * price]
    for b in missed:
        height = b.max_steps * unit.at_batch(b)
        (point,) = ax.plot(b.batch_size, height, ls="", marker="^", ms=9, mfc="white", mec=INK, mew=1.4, zorder=4)
        say(point, [_numbers(b, unit)], link(b))
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
