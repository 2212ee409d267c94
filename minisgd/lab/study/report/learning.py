"""What the learning rate has to do with it: the best one against batch size, and the way to the target at the best."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minisgd.lab import plots, words
from minisgd.lab.page import say
from minisgd.lab.plots import BLUE, GREY, ORANGE, Axes, Figure
from minisgd.lab.study.batch_result import BatchResult, Curve
from minisgd.lab.study.report.axes import batch_axis, link, name
from minisgd.lab.study.report.scaling import Unit
from minisgd.lab.study.result import StudyResult

LINEAR, ROOT = (0, (5, 3)), (0, (1.5, 2))


def draw_learning_rate(result: StudyResult) -> Figure:
    """Draw the best learning rate against batch size, with the rules that scale it as B and as √B."""
    page, ax = plots.figure("Best learning rate")
    batch_axis(ax, result)
    shown = tuned(result)
    anchor, sizes = shown[0], np.array([b.batch_size for b in result.batch_sizes], dtype=float)
    for power, dash in ((1.0, LINEAR), (0.5, ROOT)):
        ax.plot(sizes, anchor.lr * (sizes / anchor.batch_size) ** power, color=GREY, lw=1.5, ls=dash)
    for b in shown:
        usable = dict(color=BLUE, alpha=0.28, lw=9, solid_capstyle="round")
        ax.plot([b.batch_size] * 2, [b.usable_lr_low, b.usable_lr_high], **usable)
        face = "white" if b.lr_on_edge else BLUE
        (point,) = ax.plot(b.batch_size, b.lr, ls="", marker="o", ms=7.5, mfc=face, mec=BLUE, mew=1.6, zorder=4)
        ends = f"{words.number(b.usable_lr_low)} – {words.number(b.usable_lr_high)}"
        edge = ", at the edge of those tried" if b.lr_on_edge else ""
        say(point, [f"{name(b)}\nbest learning rate {words.number(b.lr)}{edge}\nusable {ends}"], link(b))
    seen = [v for b in shown for v in (b.lr, b.usable_lr_low, b.usable_lr_high)]
    plots.log_axis(ax, *plots.spread(seen), words.number, "learning rate")
    keys = [
        plots.key("best", ls="", marker="o", ms=7, color=BLUE),
        plots.patch("usable: at most twice the fewest steps", facecolor=BLUE, alpha=0.28),
        plots.key("∝ B (linear rule)", color=GREY, lw=1.5, ls=LINEAR),
        plots.key("∝ √B (square-root rule)", color=GREY, lw=1.5, ls=ROOT),
    ]
    if any(b.lr_on_edge for b in shown):
        keys.append(plots.key("at the edge of its grid", ls="", marker="o", ms=7, mfc="white", mec=BLUE))
    plots.legend(page, keys, columns=4 if len(keys) < 5 else 3)
    return page


def tuned(result: StudyResult) -> list[BatchResult]:
    """Return the batch sizes that reached the target, whose best learning rate means something; or all, if none did."""
    return [b for b in result.batch_sizes if b.reached] or list(result.batch_sizes)


def draw_curves(result: StudyResult, unit: Unit) -> Figure:
    """Draw the target's metric at the best learning rates, over steps, examples, time or FLOPs."""
    page, ax = plots.figure(f"{result.target.metric_name.capitalize()} at the best learning rates")
    shown = [b for b in result.batch_sizes if max(b.learning_curve.steps, default=0) > 0]
    keys, seen = [], list[float]()
    for b, colour in zip(shown, plots.ramp(len(shown)), strict=True):
        seen += draw_curve(ax, b.learning_curve, unit.at_batch(b), name(b), link(b), color=colour, lw=1.8)
        keys.append(plots.key(f"B = {b.batch_size}" + (" (full)" if b.full else ""), color=colour, lw=2.4))
    curve_axes(ax, result, shown, seen, unit)
    plots.legend(page, [*keys, plots.key("target", color=ORANGE, lw=1.3, ls=LINEAR)], columns=6)
    return page


def draw_curve(ax: Axes, curve: Curve, price: float, text: str, word: str, **look: Any) -> list[float]:
    """Draw one learning curve, with what it says and what it is lit by; return where it is on the x axis."""
    at, metric = np.asarray(curve.steps) * price, np.asarray(curve.metric)
    (line,) = ax.plot(at[at > 0], metric[at > 0], **look)
    say(line, [text], word)
    return list(map(float, at[at > 0]))


def curve_axes(ax: Axes, result: StudyResult, shown: list[BatchResult], seen: list[float], unit: Unit) -> None:
    """Scale the axes about the curves of some batch sizes, and draw the target."""
    ax.axhline(result.target.value, color=ORANGE, lw=1.3, ls=LINEAR)
    plots.log_axis(ax, *plots.spread(seen, 1.2, 1.0), unit.say, unit.name, which="x", most=6)
    ax.tick_params(axis="x", pad=8)  # clear of the lowest number of the other axis
    _metric_axis(ax, result, shown)


def _metric_axis(ax: Axes, result: StudyResult, shown: list[BatchResult]) -> None:
    """Scale the metric: an accuracy linearly; a loss, which falls by powers, logarithmically if it stays positive."""
    values = [v for b in shown for v in b.learning_curve.metric if math.isfinite(v)] + [result.target.value]
    if result.target.rises or min(values) <= 0:
        room = 0.04 * (max(values) - min(values)) or 0.01
        ax.set_ylim(min(values) - room, max(values) + room)
    else:
        plots.log_axis(ax, *plots.spread(values, 1.0, 1.0), words.number, "")
