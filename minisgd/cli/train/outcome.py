"""What ``minisgd train`` prints and writes of a training run."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from minisgd.cli import output, resuming, running, tables
from minisgd.errors import OutputError
from minisgd.files import to_json, write_atomically

if TYPE_CHECKING:
    from minisgd.data import Dataset
    from minisgd.training import Run


def figures_of(args: Namespace, run: Run) -> dict[str, Any]:
    """Return the figures of the weights that the run ends with."""
    figures = run.to_dict()
    moved_on = run.stopped == "interrupted" or args.best_weights is not None
    if moved_on and run.data.validation is not None:
        score = run.evaluate()
        figures |= {f"val_{name}": value for name, value in score.items()}
    return figures


def print_figures(figures: Mapping[str, Any], run: Run) -> None:
    from minisgd.lab.runs.training import rows

    output.print_table(("", ""), rows(figures))
    tables.print_confusion(run)


def doubt(figures: Mapping[str, Any], run: Run) -> str | None:
    """Say that the validation part shows nothing learned, as a study would; None where it shows something."""
    from minisgd.lab.study.constant import best_constant, loss_of_mean, reached_by_chance, usual_metric

    data = run.data
    if run.stopped == "interrupted" or figures["val_loss"] is None or data.target is None or run.warnings:
        return None
    metric = usual_metric(data, run.loss)
    score = figures.get(metric)
    if metric == "val_r2":  # the mean over outputs, weighted by their variance, as its chance is known
        score = 1 - figures["val_loss"] / (loss_of_mean(data) or math.inf)
    baseline = best_constant(data, metric, run.loss)
    chance = reached_by_chance(baseline, data, run.loss, 1)
    if score is None or not math.isfinite(chance) or (score < chance if metric.endswith("loss") else score > chance):
        return None
    return f"as far as the validation part can tell, nothing was learned. {baseline}"


class GrowingHistory:
    """Keeps history.jsonl up to date during a training run, for ``minisgd watch``; at the end ``write`` writes it anew.

    What came before the checkpoint that a run is resumed from stays.
    """

    def __init__(self, out: Path | None, resumed: Path | None) -> None:
        self._path = (out or Path()) / "history.jsonl"
        self._records: list[dict[str, Any]] = []
        if resumed:
            with suppress(OSError, ValueError):
                self._records = [json.loads(line) for line in self._path.read_text("utf-8").splitlines()]
        self._written = -math.inf

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a record, and write them all if a second has passed; a full disk is told of when the run ends."""
        self._records = [r for r in self._records if r["step"] < record["step"]] + [dict(record)]
        if perf_counter() - self._written > EVERY:
            self._written = perf_counter()
            with suppress(OutputError):
                write_atomically(self._path, "".join(to_json(r) for r in self._records).encode())


EVERY = 1.0
"""Seconds between two writings of the history."""


def in_short(record: Mapping[str, Any], best: float | None) -> str:
    """Say a record in a few words, beside the progress bar, with the best validation accuracy or loss so far."""
    from minisgd.lab.words import score, share

    text = f"epoch {record['epoch']:.3g}  loss {score(record['train_loss'])}"
    if best is None:
        return text
    if record["val_accuracy"] is not None:
        return f"{text}  accuracy {share(record['val_accuracy'])}, best {share(best)}"
    return f"{text}  validation {score(record['val_loss'])}, best {score(best)}"


def better(record: Mapping[str, Any], best: float | None) -> float | None:
    """Return the best validation accuracy or loss so far; None where nothing is validated."""
    accuracy: float | None = record["val_accuracy"]
    loss: float | None = record["val_loss"]
    if accuracy is not None:
        return max(accuracy, best or 0.0)
    return best if loss is None else min(loss, math.inf if best is None else best)


def write(args: Namespace, data: Dataset, run: Run, figures: Mapping[str, Any]) -> Path:
    """Write weights, history and figures, each whole or not at all."""
    from minisgd.lab.runs.training import write_report

    out: Path = args.out
    about = {
        "command": args.command_line,
        "data": data.describe(),
        "model": args.model,
        "stopped": run.stopped,
        "warnings": [*run.warnings, *filter(None, [doubt(figures, run)])],
        "decisions": [asdict(decision) for decision in data.decisions],
        "options": {name: value for name, value in vars(args).items() if name not in ("command_line", "out", "resume")},
        **figures,
    }
    run.save(out)
    write_atomically(out / "history.jsonl", "".join(to_json(r) for r in run.history).encode())
    write_atomically(out / "train.json", to_json(about, indent=2).encode())
    if run.stopped == "interrupted":  # whoever ended it wants to go on with something else
        (out / "report.html").unlink(missing_ok=True)
    elif not running.without_report("report.html"):
        write_report(about, list(run.history), out)
    return out


def conclude(args: Namespace, run: Run, written: Path | None) -> int:
    from minisgd.cli.signals import INTERRUPTED

    files = f"weights.safetensors, history.jsonl and train.json are in {written}"
    if run.stopped == "interrupted":
        kept = f"to go on: {resuming.command(args)}" if written else "nothing was saved; --out DIR keeps the weights"
        output.note(f"minisgd: interrupted after {run.steps:,} steps; {kept}", args.quiet and written is None)
        return INTERRUPTED
    if run.stopped != "finished":
        output.note(f"stopped early, after {run.epochs:.4g} epochs", args.quiet)
    if written:
        output.note(files, args.quiet)
    return 0
