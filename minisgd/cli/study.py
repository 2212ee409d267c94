"""``minisgd study``: which batch size to use."""

from __future__ import annotations

import shlex
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minisgd.cli import inputs, options, output, resuming, running
from minisgd.cli.parser import Parser, folder, integer, integer_or_word, listed, number
from minisgd.cli.workers import add_workers, executor
from minisgd.errors import ArgumentError

if TYPE_CHECKING:
    from minisgd.lab.study import Study
    from minisgd.lab.study.batch_result import BatchResult
    from minisgd.lab.study.ranks import SimulatedRanks
    from minisgd.lab.study.table import Column

EXAMPLES = """\
  minisgd study --data digits
  minisgd study --data idx:DIR --model mlp:256,128 --out studies/mnist
  minisgd study --data table.csv --model mlp:64 --optimizer adam --target-loss 0.2
  minisgd study --data digits --batch-sizes 1,16,256,full --learning-rates 0.01,0.1 --train-for epochs:10"""

QUICK_SEEDS = 2


def configure(parser: Parser) -> None:
    options.add_data(parser)
    options.add_model(parser, default="mlp:64")
    options.add_optimizer(parser)
    group = parser.add_argument_group("study")
    group.add_argument("--batch-sizes", type=listed(integer_or_word), metavar="B,B,…", help="(powers of 4, and full)")
    group.add_argument("--learning-rates", type=listed(number), metavar="LR,LR,…", help="(searched)")
    group.add_argument("--seeds", type=integer, metavar="N", help="seeds for every batch size and learning rate (5)")
    group.add_argument("--target-accuracy", type=number, metavar="A", help="to reach, 0.95 (a pilot finds one)")
    group.add_argument("--target-balanced-accuracy", type=number, metavar="A", help="to reach: the mean over classes")
    group.add_argument("--target-r2", type=number, metavar="R", help="to reach, of a regression")
    group.add_argument("--target-loss", type=number, metavar="L", help="to reach, instead")
    group.add_argument("--train-for", default="target", metavar="B", help="target, epochs:N or steps:N (target)")
    group.add_argument("--budget", default="5min", metavar="TIME", help="90s, 5min, 1h, or none: all it takes (5min)")
    group.add_argument("--memory-limit", metavar="BYTES", help="512MiB: recommend nothing that needs more")
    add_workers(group)
    group.add_argument("--ranks", type=listed(integer), metavar="N,N,…", help="simulate training on so many ranks")
    group.add_argument("--quick", action="store_true", help="a first answer: 2 seeds, every other batch size")
    group.add_argument("--out", type=folder, default=Path("minisgd-study"), metavar="DIR", help="(minisgd-study)")
    options.add_common(parser)


def run(args: Namespace) -> int:
    from minisgd.cli.signals import INTERRUPTED
    from minisgd.lab.study import study

    data = inputs.load_data(args)
    network, _ = inputs.load_model(args, data)
    optimizer = inputs.make_optimizer(args)
    sizes, seeds = _plan(args, len(data))
    unreported = running.without_report("report.html")
    if unreported:
        output.note(unreported, args.quiet)
    output.require_writable(args.out, "train.json")
    output.note(data.describe(), args.quiet)
    try:
        with executor(args) as workers, output.ProgressBar(args.quiet) as bar:
            found = study(
                network,
                data,
                optimizer=optimizer,
                batch_sizes=sizes,
                seeds=seeds,
                model_name=args.model,
                command=args.command_line,
                train_command=_train_command(args),
                on_event=running.reporter(bar),
                executor=workers,
                **inputs.named(args, *STUDIED),
                **running.machine(args),
            )
        saved = found.result.save(args.out) if unreported else found.save(args.out)
    except KeyboardInterrupt:
        output.note(
            f"minisgd: interrupted; every finished training run is in {args.out / 'cells.jsonl'}. "
            f"To go on, give the same command again:\n  {args.command_line}"
        )
        return INTERRUPTED
    if args.json:
        print(found.result.to_json(), end="")
    else:
        _print(found)
        print(f"\nSaved: {saved}" if unreported else f"\nReport: {saved}")
    return 0


def _plan(args: Namespace, n: int) -> tuple[list[Any] | None, int]:
    """Return the batch sizes and the number of seeds; None leaves the sizes to the study."""
    from minisgd.lab.study.grid import default_batch_sizes

    sizes, seeds = args.batch_sizes, args.seeds
    if args.quick:
        if sizes is not None or seeds is not None:
            raise ArgumentError(
                "--quick",
                expected="given without --batch-sizes and --seeds",
                got="--batch-sizes or --seeds too",
                fix="leave one of them out",
            )
        sizes = [*default_batch_sizes(n)[1:-1:2], "full"]
    return sizes, (QUICK_SEEDS if args.quick else 5) if seeds is None else seeds


STUDIED = (
    "learning_rates target_accuracy target_balanced_accuracy target_r2 target_loss train_for budget memory_limit "
    "out ranks"
).split()
"""Options that are arguments of ``ms.study``, and that the command to train leaves out."""

STUDY_ONLY = ["--workers", "--dask", "--batch-sizes", "--seeds", *(f"--{name.replace('_', '-')}" for name in STUDIED)]
"""Options with a value that the command to train leaves out."""

FLAGS = ("--quick", "--json", "--quiet")
"""Options without one that it leaves out."""


def _train_command(args: Namespace) -> str:
    """Return the beginning of the command that trains what is studied: its options, with nothing left to defaults."""
    words = shlex.split(args.command_line)
    for option in STUDY_ONLY:
        words = resuming.without(option, words)
    kept = ["train" if word == "study" else word for word in words if word not in FLAGS]
    said = {word.partition("=")[0] for word in kept}
    for name in ("model", "optimizer", "momentum", "validation", "seed", "dtype", "device"):
        value: Any = getattr(args, name)
        if name == "momentum" and value is None and args.optimizer == "sgd":
            value = 0
        if value is not None and f"--{name}" not in said:
            kept += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(kept)


# ------------------------------------------------ the answer


def _print(found: Study) -> None:
    """Print the answer first, then what it rests on."""
    from minisgd.lab.study.cautions import cautions
    from minisgd.lab.study.table import columns

    best, result = found.recommendation, found.result
    for sentence in best.sentences:
        output.print_text(sentence)
    for command in (best.command, best.call):
        if command:
            print(f"  {command}")
    if not result.batch_sizes:
        return
    print()
    shown = [column for column in columns(result) if column.short]
    rows = [[_cell(column, batch) for column in shown] for batch in result.batch_sizes]
    sizes = [batch.batch_size for batch in result.batch_sizes]
    header = [column.short for column in shown]
    output.print_table(header, rows, left=0, strong=lambda position: sizes[position] == best.batch_size)
    if any(batch.lr_on_edge for batch in result.batch_sizes):
        print("* the best of those tried was the smallest or the largest")
    output.print_text(str(result.fit))
    if result.surge is not None:
        output.print_text(str(result.surge))
    if result.ranks is not None:
        _print_ranks(result.ranks)
    for caution in cautions(result):
        output.print_text(f"Caution: {caution}")


def _print_ranks(found: SimulatedRanks) -> None:
    from minisgd.lab import words

    b = found.batch_size
    rows = [
        (str(n), *map(words.seconds, seconds))
        for n, *seconds in zip(found.ranks, found.divided, found.grown, found.all_reduce, strict=True)
    ]
    output.print_table(("ranks (simulated)", f"{b} divided", f"{b} on each", "all-reduce"), rows, left=0)
    output.print_text(str(found))


def _cell(column: Column, batch: BatchResult) -> str:
    """Return what the report says there; of intervals, that of the steps, for which there is room."""
    note = column.note(batch) if column.name == "steps to target" else ""
    return f"{column.text(batch)} ({note})" if note else column.text(batch)
