"""``minisgd train``: one network, trained."""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from minisgd.cli import inputs, options, output, resuming, tables
from minisgd.cli.naming import named_as_typed
from minisgd.cli.parser import Parser, choice, folder, integer, listed, number, positive
from minisgd.cli.train import scaling
from minisgd.cli.train.outcome import (
    GrowingHistory,
    better,
    conclude,
    doubt,
    figures_of,
    in_short,
    print_figures,
    write,
)
from minisgd.cli.train.settings import announce, choose, ranks_of, settings_of
from minisgd.errors import DivergedError, OutputError

if TYPE_CHECKING:
    from minisgd.training.history import Record

EXAMPLES = """\
  minisgd train --data digits --model mlp:128 --batch-size 32 --lr 0.1 --epochs 10
  minisgd train --data idx:DIR --model cnn --momentum 0.9 --lr 0.02 --schedule onecycle --out runs/cnn
  minisgd train --data table.csv --model mlp-bn:64 --optimizer adam --patience 5 --best-weights
  minisgd train --data digits --batch-size full --lr 0.5 --steps 500 --json"""


def configure(parser: Parser) -> None:
    from minisgd.training.metrics import METRICS

    options.add_data(parser)
    options.add_model(parser, default="mlp:128")
    options.add_loss(parser)
    options.add_optimizer(parser, default=None)
    options.add_learning_rate(parser)
    group = parser.add_argument_group("training")
    group.add_argument(
        "--batch-size",
        metavar="B",
        help="32, full, grow:FIRST,LAST,EPOCHS, or auto: a study of 20 s, auto:1min of a minute (32, or what there is)",
    )
    scaling.configure(group)
    group.add_argument(
        "--epochs", type=number, metavar="X", help="passes over the data (10, more for small tables; none with --steps)"
    )
    group.add_argument("--steps", type=integer, metavar="N", help="stop after N updates")
    group.add_argument("--clip-norm", type=number, metavar="X", help="scale gradients of a larger norm down to it")
    orders = choice("shuffle", "sequential", "replacement")
    group.add_argument(
        "--sampling", type=orders, default="shuffle", metavar="HOW", help="shuffle, sequential or replacement (shuffle)"
    )
    group.add_argument(
        "--last-batch",
        type=choice("use", "drop"),
        default="use",
        metavar="HOW",
        help="use or drop it if it is short (use)",
    )
    group.add_argument("--micro-batch", type=integer, metavar="N", help="compute each batch N examples at a time")
    group.add_argument("--memory-limit", metavar="BYTES", help="for example 512MiB: micro-batches as large as fit")
    group.add_argument("--evaluate-every", type=number, default=1.0, metavar="X", help="epochs between evaluations (1)")
    group.add_argument("--patience", type=integer, metavar="N", help="stop after N evaluations without a better one")
    group.add_argument(
        "--best-weights",
        nargs="?",
        const="",
        metavar="METRIC",
        help="keep the weights of the best evaluation (val_loss)",
    )
    group.add_argument(
        "--precision",
        type=choice("full", "tf32"),
        default="full",
        metavar="NAME",
        help="full, or tf32 on a GPU: less exact (full)",
    )
    group.add_argument("--metrics", type=listed(str), metavar="NAME,…", help=f"{', '.join(METRICS)} (by the task)")
    group.add_argument(
        "--class-weight", type=choice("balanced"), metavar="balanced", help="let all classes weigh the same"
    )
    group.add_argument(
        "--out", type=folder, metavar="DIR", help="write weights.safetensors, history.jsonl, train.json, checkpoints"
    )
    group.add_argument(
        "--checkpoint-every", type=number, metavar="X", help="epochs between checkpoints in --out (about a minute)"
    )
    group.add_argument(
        "--resume", type=folder, metavar="DIR", help="go on with what --out DIR has kept; options given here count"
    )
    group = parser.add_argument_group("ranks")
    group.add_argument("--mpi", action="store_true", help="share each batch: mpirun -n 4 minisgd train --mpi")
    group.add_argument("--shards", type=positive, metavar="N", help="parts of a batch, whatever the ranks (8)")
    options.add_common(parser)


complete = resuming.completed
"""Puts the options that --resume DIR began with before those that are typed."""


def run(args: Namespace) -> int:
    from minisgd.nn.architecture import described
    from minisgd.training import train

    data = inputs.load_data(args)
    network, _ = inputs.load_model(args, data)
    ranks = ranks_of(args)
    if (args.batch_size or "").partition(":")[0] == "auto":
        choose(args, data, network)
    settings = settings_of(args, data, network) | {"communicator": ranks}
    speaks = ranks is None or ranks.rank == 0
    if not speaks:
        args.quiet, args.out = True, None
    if args.out:
        output.require_writable(args.out, "study.json")
        described(network)  # what cannot be saved is refused now, not after the training run
    tables.announce(data, args.quiet)
    announce(args, data, network, settings)
    with output.ProgressBar(args.quiet) as bar, _warnings_as_notes(bar):
        latest, noted, told = "", False, False
        best: float | None = None
        growing = GrowingHistory(args.out, args.resume)

        def on_progress(share: float, record: Record | None) -> None:
            nonlocal latest, noted, told, best
            if args.out and not noted:  # not before the first step: what is refused leaves nothing behind
                try:
                    resuming.note_command(args)
                    noted = True
                except OutputError as error:  # a full disk, say, which may have room again before the end
                    if not told:
                        bar.note(f"warning: {named_as_typed(str(error))}; the training run goes on")
                    told = True
            if record:
                best = better(record, best)
                latest = in_short(record, best)
                if args.out and noted:
                    growing.add(record)
            bar.show(share, latest)

        try:
            run = train(network, data, **settings, on_progress=on_progress)
        except DivergedError as error:
            if args.out and error.run is not None:
                kept = write(args, data, error.run, figures_of(args, error.run))
                output.note(f"minisgd: what there is so far is kept in {kept}")
            if ranks is not None:
                ranks.agree([True])  # that rank 0 has written
            raise
    if not speaks:
        return conclude(args, run, None)
    figures = figures_of(args, run)
    written = write(args, data, run, figures) if args.out else None
    if args.json:
        output.print_json(figures)
    else:
        print_figures(figures, run)
    if text := doubt(figures, run):
        output.note(f"warning: {text}", args.quiet)
    return conclude(args, run, written)


@contextmanager
def _warnings_as_notes(bar: output.ProgressBar) -> Iterator[None]:
    """Tell what goes wrong during the training run as it goes wrong."""
    from minisgd.training import TrainingWarning
    from minisgd.training.keeper import CheckpointWarning

    with warnings.catch_warnings():
        for kind in (TrainingWarning, CheckpointWarning):
            warnings.simplefilter("always", kind)
        usual = warnings.showwarning

        def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, TrainingWarning | CheckpointWarning):
                bar.note(f"warning: {named_as_typed(str(message))}")
            else:
                usual(message, category, *where, **more)

        warnings.showwarning = show
        yield
