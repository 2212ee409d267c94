"""``minisgd train``: one network, trained."""

from __future__ import annotations

import shlex
import warnings
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minisgd.cli import options, output, resuming, running, tables
from minisgd.cli.estimate import try_steps
from minisgd.cli.naming import named_as_typed
from minisgd.cli.parser import Parser, choice, folder, integer, listed, number, positive
from minisgd.errors import ArgumentError, DivergedError, OutputError

if TYPE_CHECKING:
    from minisgd.data import Dataset
    from minisgd.nn import Network
    from minisgd.optim.batch_size import BatchSize
    from minisgd.training import Callback, Run
    from minisgd.training.distributed import Communicator
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


def complete(words: list[str]) -> list[str]:
    """Return the options with those before them that --resume DIR began with."""
    return resuming.completed(words)


def run(args: Namespace) -> int:
    from minisgd.nn.architecture import described
    from minisgd.training import train

    data = options.load_data(args)
    network, _ = options.load_model(args, data)
    ranks = _ranks(args)
    if (args.batch_size or "").partition(":")[0] == "auto":
        _choose(args, data, network)
    settings = _settings(args, data, network) | {"communicator": ranks}
    speaks = ranks is None or ranks.rank == 0
    if not speaks:
        args.quiet, args.out = True, None
    if args.out:
        output.require_writable(args.out)
        described(network)  # what cannot be saved is refused now, not after the training run
    tables.announce(data, args.quiet)
    _announce(args, data, network, settings)
    with output.ProgressBar(args.quiet) as bar, _warnings_as_notes(bar):
        latest, noted, told = "", False, False

        def on_progress(share: float, record: Record | None) -> None:
            nonlocal latest, noted, told
            if args.out and not noted:  # not before the first step: what is refused leaves nothing behind
                try:
                    resuming.note_command(args)
                    noted = True
                except OutputError as error:  # a full disk, say, which may have room again before the end
                    if not told:
                        bar.note(f"warning: {named_as_typed(str(error))}; the training run goes on")
                    told = True
            latest = _measures(record) if record else latest
            bar.show(share, latest)

        try:
            run = train(network, data, **settings, on_progress=on_progress)
        except DivergedError as error:
            if args.out and error.run is not None:
                kept = _write(args, data, error.run, _figures(args, error.run))
                output.note(f"minisgd: what there is so far is kept in {kept}")
            if ranks is not None:
                ranks.agree([True])  # that rank 0 has written
            raise
    if not speaks:
        return _conclude(args, run, None)
    figures = _figures(args, run)
    written = _write(args, data, run, figures) if args.out else None
    if args.json:
        output.print_json(figures)
    else:
        _print(figures, run)
    return _conclude(args, run, written)


def _choose(args: Namespace, data: Dataset, network: Network) -> None:
    """Let a study choose batch size and learning rate, and go on as if they had been typed."""
    from minisgd.training.automatic import chosen

    said = any(value is not None for value in (args.optimizer, args.lr, args.momentum, args.weight_decay))
    args.optimizer = args.optimizer or ("sgd" if said else None)
    optimizer = options.make_optimizer(args, args.lr) if said else None
    with output.ProgressBar(args.quiet) as bar:
        choice = chosen(
            args.batch_size,
            network,
            data,
            optimizer,
            options.make_loss(args),
            keep_rate=args.lr is not None,
            memory_limit=args.memory_limit,
            on_event=running.reporter(bar),
            **running.machine(args),
        )
    args.batch_size, args.lr = str(choice.batch_size), float(f"{choice.optimizer.lr:g}")
    args.optimizer = type(choice.optimizer).__name__.lower()
    words = resuming.without("--batch-size", shlex.split(args.command_line))
    typed = ["--optimizer", args.optimizer, "--lr", f"{args.lr:g}", "--batch-size", args.batch_size]
    args.command_line = shlex.join([*words, *typed])
    output.note(f"{choice.why}\nThe same without auto: {args.command_line}", args.quiet)


def _ranks(args: Namespace) -> Communicator | None:
    """Return the ranks that share the training run, None without --mpi."""
    from minisgd.training.distributed import mpi, nccl

    if not args.mpi:
        if args.shards is not None:
            raise ArgumentError("--shards", expected="given with --mpi", got=args.shards, fix="add --mpi")
        return None
    if (args.batch_size or "").partition(":")[0] == "auto":
        fix = "let a single process choose"
        raise ArgumentError("--batch-size", expected="a number with --mpi", got=args.batch_size, fix=fix)
    return (mpi if args.device == "cpu" else nccl)(shards=args.shards)


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


def _settings(args: Namespace, data: Dataset, network: Network) -> dict[str, Any]:
    """Return the keyword arguments of ``ms.train``."""
    from minisgd.optim import as_batch_schedule
    from minisgd.training import intake
    from minisgd.training.metrics import default_metrics

    size: BatchSize
    if args.batch_size is None:
        size = intake.default_batch_size(len(data), network.couples_batch)
    else:
        size = options.batch_size(args.batch_size)
    largest = as_batch_schedule(size, len(data)).largest
    epochs = intake.default_epochs(data, largest) if args.epochs is None and args.steps is None else args.epochs
    if args.optimizer is None:
        args.optimizer = "sgd"
        if args.lr is None and args.momentum is None:
            usual = intake.default_optimizer(data, network)
            args.optimizer, args.lr = type(usual).__name__.lower(), usual.lr
    intake.check_duration(epochs, args.steps, args.evaluate_every)
    passes = epochs if epochs is not None else args.steps * largest / len(data)
    return {
        "optimizer": options.make_optimizer(args, options.make_schedule(args, passes)),
        "loss": options.make_loss(args),
        "batch_size": size,
        "epochs": epochs,
        "steps": args.steps,
        "sampling": args.sampling,
        "last_batch": args.last_batch,
        "metrics": default_metrics(data) if args.metrics is None else args.metrics,
        "class_weight": args.class_weight,
        "callbacks": _callbacks(args, data),
        "clip_norm": args.clip_norm,
        "evaluate_every": args.evaluate_every,
        "micro_batch": args.micro_batch,
        "memory_limit": args.memory_limit,
        "dtype": args.dtype,
        "device": args.device,
        "precision": args.precision,
        "threads": args.threads,
        "seed": args.seed,
        "checkpoint": args.out,
        "checkpoint_every": args.checkpoint_every,
        "resume": args.resume,
    }


def _callbacks(args: Namespace, data: Dataset) -> list[Callback]:
    from minisgd.training import BestWeights, EarlyStopping

    metric = "train_loss" if data.validation is None else "val_loss"
    callbacks: list[Callback] = []
    if args.patience is not None:
        callbacks.append(EarlyStopping(args.patience, metric=metric))
    if args.best_weights is not None:
        callbacks.append(BestWeights(metric=args.best_weights or metric))
    return callbacks


# ------------------------------------------------ before


def _announce(args: Namespace, data: Dataset, network: Network, settings: Mapping[str, Any]) -> None:
    """Say what will be trained, how long it will take and how much memory; refuse what cannot fit."""
    from minisgd.cli.machine import require_memory
    from minisgd.lab.words import memory, seconds
    from minisgd.optim import as_batch_schedule
    from minisgd.training import memory_plan
    from minisgd.training.feeds.feed import ExampleSpec
    from minisgd.training.memory import default_loss

    largest = as_batch_schedule(settings["batch_size"], len(data)).largest
    plan = memory_plan(
        network,
        data.input_shape,
        largest,
        settings["optimizer"],
        loss=settings["loss"] or default_loss(data.task),
        dtype=args.dtype,
        memory_limit=args.memory_limit,
        spec=ExampleSpec.of(data.train, data.scale, args.dtype),
    )
    ranks = settings["communicator"]
    if args.memory_limit is None and args.device == "cpu" and ranks is None:
        require_memory(plan.bytes)
    if args.quiet:
        return
    output.note(data.describe())
    tried = try_steps(network, data, settings)
    micro = tried.micro_batch
    parts = f", in micro-batches of {micro}" if micro < largest else ""
    parts = f"{parts}, on each of {ranks.size} ranks" if ranks is not None else parts
    about = f"about {seconds(tried.seconds)}, " if ranks is None else ""
    takes = f"{about}{memory(tried.bytes)}{parts}"
    rate = "" if args.lr is None else f", learning rate {args.lr:g}"
    how = f"{args.optimizer}{rate}, batch size {largest}"
    output.note(f"{args.model}: {tried.parameters:,} parameters; {how}; {takes}")


# ------------------------------------------------ after


def _figures(args: Namespace, run: Run) -> dict[str, Any]:
    """Return the figures of the weights that the run ends with."""
    figures = run.to_dict()
    moved_on = run.stopped == "interrupted" or args.best_weights is not None
    if moved_on and run.data.validation is not None:
        score = run.evaluate()
        figures |= {f"val_{name}": value for name, value in score.items()}
    return figures


def _print(figures: Mapping[str, Any], run: Run) -> None:
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


def _measures(record: Mapping[str, Any]) -> str:
    """Say a record in a few words, beside the progress bar."""
    text = f"epoch {record['epoch']:.3g}  loss {record['train_loss']:.4f}"
    if record["val_accuracy"] is not None:
        return f"{text}  accuracy {100 * record['val_accuracy']:.1f}%"
    return text if record["val_loss"] is None else f"{text}  validation {record['val_loss']:.4f}"


def _write(args: Namespace, data: Dataset, run: Run, figures: Mapping[str, Any]) -> Path:
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


def _conclude(args: Namespace, run: Run, written: Path | None) -> int:
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
