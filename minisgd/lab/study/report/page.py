"""The report: plots and one page that holds them, readable offline and by someone new to the run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from minisgd.lab import words
from minisgd.lab.page import Plot, View, write_page
from minisgd.lab.study.cautions import cautions
from minisgd.lab.study.curves import critical_with_interval
from minisgd.lab.study.report import captions, heatmap, learning, machine, ranks, scaling
from minisgd.lab.study.report.axes import link
from minisgd.lab.study.result import StudyResult
from minisgd.lab.study.table import columns


def plots_of(result: StudyResult) -> list[Plot]:
    """Return the plots of a study, each with the cautions that concern it."""
    if not result.batch_sizes:
        return []
    race = {"steps": captions.steps, "examples": captions.examples, "time": captions.seconds, "FLOPs": captions.flops}
    ways = scaling.units(result)
    told = cautions(result)

    def plot(name: str, question: str, *views: View) -> Plot:
        return Plot(name, question, views, [c for c in told if name in c.about])

    return [
        plot(
            "race",
            "What does it take to get there?",
            *(View(way.name, scaling.draw_race(result, way), race[way.name](result)) for way in ways),
        ),
        plot(
            "learning_rate",
            "Which learning rate?",
            View("", learning.draw_learning_rate(result), captions.learning_rate(result)),
        ),
        plot(
            "heatmap",
            "How much does the learning rate matter?",
            View("", heatmap.draw_heatmap(result), captions.heatmap(result)),
        ),
        plot(
            "curves",
            "Who leads?",
            *(View(way.name, learning.draw_curves(result, way), captions.curves(result)) for way in ways),
        ),
        plot(
            "throughput",
            "How fast is this machine?",
            View("", machine.draw_throughput(result), captions.throughput(result)),
        ),
        plot("memory", "How much memory?", View("", machine.draw_memory(result), captions.memory(result))),
        *(
            [plot("ranks", "What would several ranks bring?", View("", ranks.draw_ranks(found), str(found)))]
            if (found := result.ranks) is not None
            else []
        ),
    ]


def write_report(result: StudyResult, folder: str | Path) -> Path:
    """Write report.html into a folder, and return its path.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
        OutputError: The folder cannot be written.
    """
    return write_page(Path(folder) / "report.html", "minisgd.lab.study.report", **_context(result))


def _context(result: StudyResult) -> dict[str, Any]:
    best, shown, told = result.recommendation, columns(result), cautions(result)
    return {
        "result": result,
        "usage": [text for text in (best.command, best.call) if text],
        "target": str(result.target),
        "answer": _answer(result),
        "facts": _facts(result),
        "cautions": [c for c in told if not c.about],
        "beside": len([c for c in told if c.about]),
        "definition": captions.DEFINITION,
        "plots": plots_of(result),
        "header": [column.name for column in shown],
        "rows": [
            {
                "chosen": b.batch_size == best.batch_size,
                "link": link(b),
                "cells": [(c.text(b), c.note(b), _sorts(c.value(b))) for c in shown],
            }
            for b in result.batch_sizes
        ],
        "setting": _setting(result),
        "environment": [(key, _text(value)) for key, value in result.environment.items()],
    }


def _sorts(value: float) -> str:
    """Write a number for sorting and for the CSV; nothing where there is none."""
    return f"{value:.6g}" if math.isfinite(value) else ""


def _answer(result: StudyResult) -> str:
    best = result.recommendation
    if not result.learned:
        return "Nothing was learned"
    if not result.batch_sizes:
        return "Any batch size will do"
    if best.batch_size is None or best.lr is None:
        return "No batch size can be recommended yet"
    full = any(b.full and b.batch_size == best.batch_size for b in result.batch_sizes)
    which = "the full batch of" if full else "batch size"
    return f"Use {which} {best.batch_size} with learning rate {words.number(best.lr)}"


def _facts(result: StudyResult) -> list[tuple[str, str, str]]:
    """Return the numbers that go with the answer: what, how much, and what that means."""
    best, fit = result.recommendation, result.fit
    facts = []
    if best.seconds is not None and best.memory_bytes is not None:
        facts.append((words.seconds(best.seconds), "time to target", f"predicted, to reach {result.target}"))
        facts.append((words.memory(best.memory_bytes), "memory", "for one training step"))
    if best.confidence is not None and best.runner_up is not None:
        facts.append(
            (
                f"{100 * best.confidence:.0f}%",
                "how sure",
                "share of draws from the errors of seeds and timing in which it is the fastest",
            )
        )
    if best.runner_up is not None:
        runner_up = f"batch size {best.runner_up.batch_size}"
        facts.append((words.seconds(best.runner_up.seconds), "runner-up", runner_up))
    if fit.s_min is not None:
        both = critical_with_interval(fit.b_crit, *fit.interval)
        facts.append(
            (words.size(fit.b_crit), "critical batch size", f"beyond it larger batches save few steps: {both}")
        )
    return facts


def _setting(result: StudyResult) -> list[tuple[str, str]]:
    constant = [] if result.baseline is None else [("best constant answer", str(result.baseline))]
    return [
        ("data", f"{result.data} ({words.plural(result.n_train, 'training example')})"),
        ("model", result.model),
        ("optimizer", result.optimizer),
        *constant,
        ("target", str(result.target)),
        ("budget", result.budget),
        ("seeds", f"{len(result.seeds)}, the same for every batch size"),
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
