"""The page of a study or training run that is under way, made of what it has written so far."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import median
from typing import Any

from minisgd.lab import plots, words
from minisgd.lab.page import Plot, View, render, say
from minisgd.lab.runs.folder import Document, Folder, number
from minisgd.lab.runs.training import context

SCRIPTS = [("minisgd.lab.page", "page.js"), ("minisgd.lab.runs", "live.js")]

SHOWN = ("train_for", "device", "dtype", "version")
"""Settings of the journal that say something to a reader."""


def live_page(folder: Folder) -> str:
    """Return the page of what is in a folder so far, which asks for news of itself.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
    """
    page = _study(folder) if folder.kind == "study" else context(folder.about, folder.lines, str(folder.path))
    state = "under way" if not folder.finished else "ended"
    return render("minisgd.lab.page", SCRIPTS, **page | {"live": True, "over": f"{folder.path}: {state}"})


def _study(folder: Folder) -> dict[str, Any]:
    """Return what the template names, of a study that is not finished."""
    cells: dict[int, dict[float, list[Document]]] = defaultdict(lambda: defaultdict(list))
    for cell in folder.lines:
        cells[cell["batch_size"]][cell["lr"]].append(cell)
    best = {size: _best(rates) for size, rates in sorted(cells.items())}
    settings = folder.about.get("settings", {})
    table = [
        {"cells": [(text, "", text) for text in _row(size, lr, steps, cells[size])]}
        for size, (lr, steps) in best.items()
    ]
    reached = sum(cell["reached"] for cell in folder.lines)
    runs = words.plural(len(folder.lines), "training run")
    return {
        "title": f"A study under way: {folder.path}",
        "answer": f"{runs} finished, {reached} reached the target" if folder.lines else "The pilot looks for a target",
        "why": "Steps are compared so far; times are measured at the end.",
        "plots": [Plot("race", "How many steps so far?", [_race(cells, best)])] if best else [],
        "tables": [("best so far", ["batch size", "learning rate", "steps to target", "runs"], table)] if best else [],
        "setting": [(name, str(value)) for name in SHOWN if (value := settings.get(name)) is not None],
    }


def _best(rates: dict[float, list[Document]]) -> tuple[float, float]:
    """Return the learning rate with the fewest median steps so far, and these."""
    steps = {lr: median(number(cell["steps_to_target"]) for cell in runs) for lr, runs in rates.items()}
    lr = min(steps, key=steps.__getitem__)
    return lr, steps[lr]


def _row(size: int, lr: float, steps: float, rates: dict[float, list[Document]]) -> tuple[str, ...]:
    count = sum(map(len, rates.values()))
    return str(size), words.number(lr), words.count(steps) if math.isfinite(steps) else "not reached", str(count)


def _race(cells: dict[int, dict[float, list[Document]]], best: dict[int, tuple[float, float]]) -> View:
    """Draw the steps of every finished training run against batch size, and the best medians as a line."""
    page, ax = plots.figure("Steps to target so far")
    seen = list[float]()
    for size, rates in cells.items():
        for lr, runs in rates.items():
            steps = [number(cell["steps_to_target"]) for cell in runs]
            steps = [s for s in steps if math.isfinite(s)]
            (dots,) = ax.plot([size] * len(steps), steps, ls="", marker="o", ms=4, color=plots.GREY, alpha=0.6)
            say(dots, [f"batch size {size}, learning rate {words.number(lr)}\n{words.count(s)} steps" for s in steps])
            seen += steps
    points = [(size, steps) for size, (_, steps) in best.items() if math.isfinite(steps)]
    if points:
        ax.plot(*zip(*points, strict=True), color=plots.ORANGE, marker="o", lw=1.8, label="best median")
    plots.batch_axis(ax, list(cells), base=10)
    plots.log_axis(ax, *plots.spread(seen), words.short, "steps to target")
    plots.legend(
        page,
        [
            plots.key("best median", color=plots.ORANGE, marker="o"),
            plots.key("a training run", ls="", marker="o", color=plots.GREY),
        ],
    )
    least = min(points, key=lambda point: point[1], default=None)
    text = "No training run reached the target yet." if least is None else (
        f"Fewest so far: {words.count(least[1])} steps, at batch size {least[0]}."
    )  # fmt: skip
    return View("", page, text)
