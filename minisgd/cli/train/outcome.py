"""What ``minisgd train`` prints and writes of a training run."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minisgd.cli import output, resuming, tables

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
    from minisgd.lab import words

    accuracy = figures["val_accuracy"]
    rows = [
        ("train loss", _loss(figures["train_loss"])),
        ("validation loss", _loss(figures["val_loss"])),
        *([] if accuracy is None else [("validation accuracy", f"{100 * accuracy:.2f}%")]),
        *((f"validation {name.replace('_', ' ')}", f"{figures[f'val_{name}']:.4g}") for name in run.metrics),
        ("steps", f"{figures['steps']:,}"),
        ("epochs", f"{figures['epochs']:.4g}"),
        ("examples", f"{figures['examples']:,}"),
        ("time", words.seconds(figures["seconds"])),
        ("examples per second", words.count(figures["samples_per_second"])),
        ("memory", f"{words.memory(figures['memory_bytes'])} on {figures['device']}"),
    ]
    output.print_table(("", ""), rows)
    tables.print_confusion(run)


def _loss(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def in_short(record: Mapping[str, Any]) -> str:
    """Say a record in a few words, beside the progress bar."""
    text = f"epoch {record['epoch']:.3g}  loss {record['train_loss']:.4f}"
    if record["val_accuracy"] is not None:
        return f"{text}  accuracy {100 * record['val_accuracy']:.1f}%"
    return text if record["val_loss"] is None else f"{text}  validation {record['val_loss']:.4f}"


def write(args: Namespace, data: Dataset, run: Run, figures: Mapping[str, Any]) -> Path:
    """Write weights, history and figures, each whole or not at all."""
    from minisgd.files import to_json, write_atomically

    out: Path = args.out
    about = {
        "command": args.command_line,
        "data": data.describe(),
        "model": args.model,
        "stopped": run.stopped,
        "warnings": list(run.warnings),
        "decisions": [asdict(decision) for decision in data.decisions],
        "options": {name: value for name, value in vars(args).items() if name not in ("command_line", "out", "resume")},
        **figures,
    }
    run.save(out)
    write_atomically(out / "history.jsonl", "".join(to_json(r) for r in run.history).encode())
    write_atomically(out / "train.json", to_json(about, indent=2).encode())
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
