"""What the options that several commands share stand for: the data, a network, loss, optimizer, schedules."""

from __future__ import annotations

from argparse import Namespace
from inspect import signature
from math import prod
from typing import TYPE_CHECKING, Any

from minisgd.cli.naming import blamed_on
from minisgd.cli.options import default_lr
from minisgd.cli.parser import did_you_mean
from minisgd.errors import ArgumentError

if TYPE_CHECKING:
    from minisgd.data import Dataset
    from minisgd.nn import Loss, Network
    from minisgd.optim import Optimizer
    from minisgd.optim.batch_size import BatchSize
    from minisgd.optim.learning_rate import LearningRateSchedule


def named(args: Namespace, *names: str) -> dict[str, Any]:
    """Return options as the keyword arguments that have their names."""
    return {name: getattr(args, name) for name in names}


def settle_device(args: Namespace) -> None:
    """Turn --device auto into the device that it is here, and say on stderr which one and why."""
    if getattr(args, "device", None) != "auto":
        return
    from minisgd.backend import why_no_cuda
    from minisgd.cli.output import note

    trouble = why_no_cuda()
    args.device = "cuda" if trouble is None else "cpu"
    note(f"device: {args.device}{'' if trouble is None else f' ({trouble.got})'}", args.quiet)


def load_data(args: Namespace) -> Dataset:
    from minisgd.data import load
    from minisgd.nn.models import reconstructs

    names = "validation", "seed", "target", "task", "standardize", "drop", "categorical", "missing"
    data = load(args.data, **named(args, *names, "keep_index", "text", "header"))
    return data.reconstructing() if reconstructs(getattr(args, "model", None) or "") else data


def load_model(args: Namespace, data: Dataset | None) -> tuple[Network, tuple[int, ...]]:
    """Return the network and the shape of one example, from the data or from --input and --outputs."""
    from minisgd.nn.models import model, reconstructs

    if data is not None:
        return model(args.model, data.input_shape, data.n_outputs), data.input_shape
    outputs = prod(args.input) if reconstructs(args.model) else args.outputs
    return model(args.model, args.input, outputs), args.input


def data_if_given(args: Namespace) -> Dataset | None:
    """Return the data set of --data, or None where --input stands in for it."""
    if (args.data is None) == (args.input is None):
        fix = "write --data digits, or --input 64"
        raise ArgumentError(
            "--input", expected="given if --data is not, and only then", got="both" if args.data else "neither", fix=fix
        )
    return load_data(args) if args.data else None


def make_loss(args: Namespace) -> Loss | None:
    """Return the loss that was asked for; None leaves it to the kind of data."""
    from minisgd.nn import MeanSquaredError, SoftmaxCrossEntropy
    from minisgd.nn.losses import LOSSES
    from minisgd.nn.models import reconstructs

    if args.label_smoothing and args.loss not in (None, "cross-entropy"):
        fix = "leave it out, or use --loss cross-entropy"
        raise ArgumentError(
            "--label-smoothing", expected=f"left out with --loss {args.loss}", got=args.label_smoothing, fix=fix
        )
    if args.label_smoothing or args.loss == "cross-entropy":
        with blamed_on("--label-smoothing"):
            return SoftmaxCrossEntropy(label_smoothing=args.label_smoothing)
    if args.loss is None and reconstructs(getattr(args, "model", None) or ""):
        return MeanSquaredError()
    return LOSSES[args.loss]() if args.loss else None


def make_optimizer(args: Namespace, lr: LearningRateSchedule | None = None) -> Optimizer:
    """Return the optimizer of --optimizer, --momentum and --weight-decay."""
    from minisgd.optim import OPTIMIZERS

    kind = OPTIMIZERS[args.optimizer]
    given: dict[str, Any] = {"lr": default_lr(args.optimizer) if lr is None else lr}
    for name in ("momentum", "weight_decay"):
        if (value := getattr(args, name)) is None:
            continue
        if name not in signature(kind).parameters:
            raise ArgumentError(
                f"--{name.replace('_', '-')}",
                expected=f"left out with --optimizer {args.optimizer}, which has none",
                got=value,
                fix="leave it out, or use --optimizer sgd",
            )
        given[name] = value
    return kind(**given)


def make_schedule(args: Namespace, epochs: float) -> LearningRateSchedule:
    """Return the schedule of --lr, --schedule and --warmup, for a training run of so many epochs."""
    from minisgd.data.checks import about
    from minisgd.optim import SCHEDULES, Warmup, as_schedule

    lr = default_lr(args.optimizer) if args.lr is None else args.lr
    as_schedule(lr)  # refused as --lr, not by what a schedule calls it
    kind, _, detail = args.schedule.partition(":")
    if kind not in SCHEDULES:
        guess = did_you_mean(kind, SCHEDULES) or "for example cosine"
        raise ArgumentError("--schedule", expected=f"one of {', '.join(SCHEDULES)}", got=repr(kind), fix=guess)
    if detail and kind != "step":
        fix = f"write {kind}, as only step takes numbers"
        raise ArgumentError("--schedule", expected=f"{kind} without numbers", got=args.schedule, fix=fix)
    options = {}
    if kind == "step":
        factor, every = _numbers("--schedule", detail, "step:0.1,10") if detail else (0.1, epochs / 3)
        options = {"factor": factor, "every": every}
    with about(f"--schedule {args.schedule!r}"):
        schedule = SCHEDULES[kind](lr, **options)
    with blamed_on("--warmup"):
        return schedule if args.warmup is None else Warmup(schedule, epochs=args.warmup)


def batch_size(text: str) -> BatchSize:
    """Return the batch size of a word: 32, full, or grow:FIRST,LAST,EPOCHS for a batch that doubles."""
    from minisgd.data.checks import about
    from minisgd.optim import GrowBatch

    if text.startswith("grow:"):
        numbers = _numbers("--batch-size", text.removeprefix("grow:"), "grow:32,1024,5", n=3)
        start, largest, every = numbers
        with about(f"--batch-size {text!r}"):
            return GrowBatch(int(start), int(largest), every=every)
    digits = text.removeprefix("-")
    # other words are for the schedule to refuse, which knows the number of examples
    return int(text) if digits.isdecimal() else text  # type: ignore[return-value]


def fixed_batch_size(text: str, data: Dataset | None) -> int:
    """Return one batch size, for commands that look at a single step."""
    from minisgd.optim import as_batch_schedule

    size = batch_size(text)
    if data is not None:
        return as_batch_schedule(size, len(data)).largest
    if not isinstance(size, int):
        raise ArgumentError(
            "--batch-size", expected="a number with --input", got=repr(text), fix="write 32, or use --data"
        )
    return size


def _numbers(option: str, text: str, example: str, n: int = 2) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != n:
        raise ArgumentError(option, expected=f"written like {example}", got=text, fix=f"give {n} numbers")
    return numbers
