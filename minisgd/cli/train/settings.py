"""From the options of ``minisgd train`` to the arguments of ``ms.train``, and what these will take."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from minisgd.cli import inputs, output, resuming, running
from minisgd.cli.estimate import require_memory, try_steps
from minisgd.cli.train.scaling import scaled
from minisgd.errors import ArgumentError

if TYPE_CHECKING:
    from minisgd.data import Dataset
    from minisgd.nn import Network
    from minisgd.optim.batch_size import BatchSize
    from minisgd.training import Callback
    from minisgd.training.distributed import Communicator

TAKEN = (
    "steps sampling last_batch class_weight clip_norm evaluate_every micro_batch memory_limit precision "
    "checkpoint_every resume"
).split()
"""Options that are arguments of ``ms.train``."""


def choose(args: Namespace, data: Dataset, network: Network) -> None:
    """Let a study choose batch size and learning rate, and go on as if they had been typed."""
    from minisgd.training.automatic import chosen

    if args.scaled_from is not None:
        expected, fix = "left out with --batch-size auto, which tunes --lr itself", "give a number to --batch-size"
        raise ArgumentError("--scaled-from", expected=expected, got=args.scaled_from, fix=fix)
    said = any(value is not None for value in (args.optimizer, args.lr, args.momentum, args.weight_decay))
    args.optimizer = args.optimizer or ("sgd" if said else None)
    optimizer = inputs.make_optimizer(args, args.lr) if said else None
    with output.ProgressBar(args.quiet) as bar:
        choice = chosen(
            args.batch_size,
            network,
            data,
            optimizer,
            inputs.make_loss(args),
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


def ranks_of(args: Namespace) -> Communicator | None:
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


def settings_of(args: Namespace, data: Dataset, network: Network) -> dict[str, Any]:
    """Return the keyword arguments of ``ms.train``."""
    from minisgd.optim import as_batch_schedule
    from minisgd.training import intake
    from minisgd.training.metrics import default_metrics

    size: BatchSize
    if args.batch_size is None:
        size = intake.default_batch_size(len(data), network.couples_batch)
    else:
        size = inputs.batch_size(args.batch_size)
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
        "optimizer": scaled(args, inputs.make_optimizer(args, inputs.make_schedule(args, passes)), size, len(data)),
        "loss": inputs.make_loss(args),
        "batch_size": size,
        "epochs": epochs,
        "metrics": default_metrics(data) if args.metrics is None else args.metrics,
        "callbacks": _callbacks(args, data),
        "checkpoint": args.out,
        **inputs.named(args, *TAKEN),
        **running.machine(args),
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


def announce(args: Namespace, data: Dataset, network: Network, settings: Mapping[str, Any]) -> None:
    """Say what will be trained, how long it will take and how much memory; refuse what cannot fit."""
    from minisgd.lab.words import memory, seconds
    from minisgd.optim import as_batch_schedule
    from minisgd.training import memory_plan
    from minisgd.training.feeds.feed import ExampleSpec
    from minisgd.training.memory import default_loss

    ranks, largest = settings["communicator"], as_batch_schedule(settings["batch_size"], len(data)).largest
    plan = memory_plan(
        network,
        data.input_shape,
        largest,
        settings["optimizer"],
        loss=settings["loss"] or default_loss(data.task),
        dtype=args.dtype,
        memory_limit=args.memory_limit,
        spec=ExampleSpec.of(data.train, data.scale, args.dtype),
        ranks=ranks,
    )
    if args.memory_limit is None and args.device == "cpu":
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
    scaled = args.scaled_from is not None  # and what has become of the learning rate has been said
    rate = "" if args.lr is None or scaled else f", learning rate {args.lr:g}"
    how = f"{args.optimizer}{rate}, batch size {largest}"
    output.note(f"{args.model}: {tried.parameters:,} parameters; {how}; {takes}")
