"""The report of a training run, of what ``minisgd train`` writes: figures, curves, every evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

from minisgd.lab import plots, words
from minisgd.lab.page import Plot, View, write_page
from minisgd.lab.runs.folder import Document

UNITS = {"step": "steps", "epoch": "epochs", "seconds": "time"}
"""In what the way of a training run is counted, by the name in its records."""
LOOKS = (
    dict(color=plots.BLUE, marker="o"),
    dict(color=plots.ORANGE, marker="s"),
    dict(color=plots.GREEN, marker="^"),
    dict(color=plots.INK, marker="D"),
    dict(color="#CC79A7", marker="v"),
)
"""Curves are told apart by colour and by mark."""
SAID = {"train_loss": "training loss", "val_loss": "validation loss", "lr": "learning rate", "batch_size": "batch size"}


MOST = 300
"""Evaluations that a page shows, so that it stays below 2 MB however many there were."""


def shown(history: Sequence[Document], most: int = MOST) -> list[Document]:
    """Return at most so many records, evenly spaced, and the one with the lowest validation loss among them."""
    if len(history) <= most:
        return list(history)
    chosen = {round(k * (len(history) - 1) / (most - 2)) for k in range(most - 1)}
    losses = [inf if record.get("val_loss") is None else record["val_loss"] for record in history]
    return [history[k] for k in sorted(chosen | {losses.index(min(losses))})]


def rows(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the figures of a training run in words, for terminal and report alike."""
    extra = [name for name in figures if name.startswith("val_") and name not in ("val_loss", "val_accuracy")]
    accuracy = figures["val_accuracy"]
    return [
        ("train loss", _loss(figures["train_loss"])),
        ("validation loss", _loss(figures["val_loss"])),
        *([] if accuracy is None else [("validation accuracy", words.share(accuracy))]),
        *((f"validation {name[4:].replace('_', ' ')}", words.score(figures[name])) for name in extra),
        ("steps", f"{figures['steps']:,}"),
        ("epochs", f"{figures['epochs']:.4g}"),
        ("examples", f"{figures['examples']:,}"),
        ("time", words.seconds(figures["seconds"])),
        ("examples per second", words.count(figures["samples_per_second"])),
        ("memory", f"{words.memory(figures['memory_bytes'])} on {figures['device']}"),
    ]


def _loss(value: float | None) -> str:
    return "none" if value is None else words.score(value)


def write_report(about: Document, history: Sequence[Document], folder: str | Path) -> Path:
    """Write report.html into the folder of a training run, and return its path.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
        OutputError: The folder cannot be written.
    """
    return write_page(Path(folder) / "report.html", "minisgd.lab.page", **context(about, history, str(folder)))


def context(about: Document, history: Sequence[Document], folder: str) -> dict[str, Any]:
    """Return what the template names, of a training run that is finished or under way."""
    done = "train_loss" in about
    found = rows(about) if done else []
    few = shown(history)
    left_out = [f"{len(few)} of {len(history):,} evaluations are shown; history.jsonl has all."]
    call = [f'ms.load_model("{folder}").predict(x)'] if done else []
    return {
        "title": f"{about.get('model', 'a training run')} on {str(about.get('data', '')).partition(':')[0]}",
        "over": "Training run",
        "answer": _answer(about, history),
        "why": str(about.get("data", "")),
        "facts": [(text, name, "") for name, text in found],
        "usage": [*call, str(about["command"])],
        "cautions": [*about.get("warnings", []), *(left_out if len(few) < len(history) else [])],
        "plots": curves_of({"": few}),
        "tables": [("evaluations", *records_table(few))] if few else [],
        "setting": [(k, str(v)) for k, v in about.get("options", {}).items() if v not in (None, False, [], (), "")],
    }


def _answer(about: Document, history: Sequence[Document]) -> str:
    latest = about if about.get("stopped") is not None else dict(history[-1]) if history else {}
    if not latest:
        return "No evaluation yet"
    accuracy = latest.get("val_accuracy")
    loss = latest.get("val_loss") if latest.get("val_loss") is not None else latest.get("train_loss")
    reached = f"loss {_loss(loss)}" if accuracy is None else f"{words.share(accuracy)} validation accuracy"
    epochs = latest.get("epochs", latest.get("epoch"))
    stopped = about.get("stopped")
    ending = "" if stopped == "finished" else " so far" if stopped is None else f" ({stopped})"
    return f"{reached[0].upper()}{reached[1:]} after {epochs:.4g} epochs{ending}"


def records_table(history: Sequence[Document]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the header and the rows of the table of evaluations."""
    names = [name for name in history[0] if any(record.get(name) is not None for record in history)]
    return [said(name) for name in names], [
        {"cells": [(_text(name, record.get(name)), "", _sorts(record.get(name))) for name in names]}
        for record in history
    ]


def said(name: str) -> str:
    """Say the name of a column of the records: validation loss."""
    return SAID.get(name, name.replace("val_", "validation ").replace("_", " "))


def _text(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if name == "seconds":
        return words.seconds(value)
    return f"{value:,}" if isinstance(value, int) else (words.share if "accuracy" in name else words.score)(value)


def _sorts(value: Any) -> str:
    return "" if value is None else f"{value:.6g}"


def curves_of(runs: Mapping[str, Sequence[Document]]) -> list[Plot]:
    """Return the plots of some training runs by name: losses, metrics, and what was changed on the way."""
    known = [record for history in runs.values() for record in history]
    metrics = list(dict.fromkeys(name for record in known for name in record if name.startswith("val_")))
    questions = {
        "loss": ("How did the loss fall?", ["train_loss", "val_loss"]),
        **{name: (f"How good is it: {said(name)}?", [name]) for name in metrics if name != "val_loss"},
        "lr": ("Which learning rate?", ["lr"]),
        "batch_size": ("Which batch size?", ["batch_size"]),
    }
    found = []
    for name, (question, columns) in questions.items():
        values = {record.get(column) for record in known for column in columns} - {None}
        if len(values) > 1:
            found.append(Plot(name, question, [_view(unit, columns, runs) for unit in UNITS]))
    return found


def _view(unit: str, columns: Sequence[str], runs: Mapping[str, Sequence[Document]]) -> View:
    """Draw columns of the records of some runs against steps, epochs, examples or time."""
    page, ax = plots.figure(" and ".join(said(c) for c in columns).capitalize())
    keys, seen, ends = [], list[float](), list[str]()
    for k, (run, history) in enumerate(runs.items()):
        for j, column in enumerate(columns):
            points = [(r[unit], r[column]) for r in history if r.get(column) is not None and r.get(unit) is not None]
            if not points:
                continue
            look = LOOKS[(k if len(runs) > 1 else j) % len(LOOKS)] | {"ls": "-" if j or len(columns) == 1 else "--"}
            label = ", ".join(filter(None, (run, said(column))))
            x, y = zip(*points, strict=True)
            ax.plot(x, y, label=label, lw=1.6, ms=4 if len(points) < 60 else 2, **look)
            keys.append(plots.key(label, lw=1.6, ms=5, **look))
            seen += y
            ends.append(f"{label} {words.number(y[0])} → {words.number(y[-1])}")
    if "loss" in columns[0] or columns[0] == "batch_size":
        plots.log_axis(ax, *plots.spread(seen, 1.05, 1.05), words.number, said(columns[0]).split()[-1])
    else:
        ax.set_ylabel(said(columns[0]))
    ax.set_xlabel("seconds" if unit == "seconds" else UNITS[unit])
    plots.legend(page, keys, columns=2)
    return View(UNITS[unit], page, f"From first to last evaluation: {'; '.join(ends)}.")
