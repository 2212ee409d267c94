"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from minisgd.cli.parser import Parser, choice, did_you_mean, natural, number, positive, shape
from minisgd.errors import ArgumentError

if TYPE_CHECKING:
    from minisgd.data import Dataset
    from minisgd.nn import Loss, Network
    from minisgd.optim import Optimizer
    from minisgd.optim.batch_size import BatchSize
    from minisgd.optim.learning_rate import LearningRateSchedule

DATA_HELP = "digits, idx:DIR, FILE.npz, FILE.csv, FILE.parquet or x.npy,y.npy"
MODEL_HELP = "linear, mlp:128,64, mlp-bn:128,64, cnn or FILE.py:function"

OPTIMIZERS = ("sgd", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lars", "lamb")
SCHEDULES = ("constant", "cosine", "onecycle", "step")
LOSSES = ("cross-entropy", "binary-cross-entropy", "mse", "l1", "huber")

DEFAULT_LR = 0.1
"""For the optimizers that have no default of their own."""


# ------------------------------------------------ declared


def add_common(parser: Parser, *, runs: bool = True, dtype: str = "float32") -> None:
    """Add what every command has; and, for those that run something, where and from which seed."""
    group = parser.add_argument_group("output and machine" if runs else "output")
    group.add_argument("--json", action="store_true", help="print one JSON document on stdout, and nothing else there")
    group.add_argument("--quiet", action="store_true", help="no notes and no progress bar")
    if runs:
        group.add_argument("--seed", type=natural, metavar="N", default=0, help="of weights, shuffles and hold-out (0)")
        group.add_argument("--threads", type=positive, metavar="N", help="BLAS threads (by the size of the work)")
        group.add_argument(
            "--device",
            type=choice("cpu", "cuda", "auto"),
            default="cpu",
            metavar="NAME",
            help="cpu, cuda, or auto: cuda where it works (cpu)",
        )
        group.add_argument(
            "--dtype",
            type=choice("float32", "float64"),
            default=dtype,
            metavar="NAME",
            help=f"float32 or float64 ({dtype})",
        )


def add_data(parser: Parser, *, required: bool = True, validation: float = 0.2) -> None:
    group = parser.add_argument_group("data")
    group.add_argument("--data", metavar="DATA", required=required, help=DATA_HELP)
    group.add_argument(
        "--validation", type=number, metavar="SHARE", default=validation, help=f"share to hold out ({validation:g})"
    )
    group.add_argument("--target", metavar="COLUMN", help="the target column of a table (the last)")
    group.add_argument("--standardize", action="store_true", default=None, help="features to mean 0, std 1")


def add_model(parser: Parser, *, default: str | None = None) -> None:
    said = f" ({default})" if default else ""
    parser.add_argument("--model", default=default, required=default is None, help=MODEL_HELP + said)


def add_example(parser: Parser) -> None:
    """Add what stands in for data where only its shape counts."""
    parser.add_argument("--input", type=shape, metavar="SHAPE", help="of one example, instead of --data: 64, 28x28x1")
    parser.add_argument("--outputs", type=positive, metavar="N", default=10, help="of the network, beside --input (10)")


def add_optimizer(parser: Parser) -> None:
    group = parser.add_argument_group("optimizer")
    group.add_argument(
        "--optimizer", type=choice(*OPTIMIZERS), default="sgd", metavar="NAME", help=f"{', '.join(OPTIMIZERS)} (sgd)"
    )
    group.add_argument("--momentum", type=number, metavar="X", help="for sgd, nesterov, rmsprop, lars")
    group.add_argument("--weight-decay", type=number, metavar="X", help="(0; adamw and lamb 0.01)")


def add_learning_rate(parser: Parser) -> None:
    group = parser.add_argument_group("learning rate")
    group.add_argument("--lr", type=number, metavar="X", help="(0.1; adam, adamw, lamb 0.001; adagrad, rmsprop 0.01)")
    group.add_argument(
        "--schedule", default="constant", metavar="NAME", help="constant, cosine, onecycle, step, step:FACTOR,EPOCHS"
    )
    group.add_argument("--warmup", type=number, metavar="X", help="rise to the learning rate over so many epochs")


def add_loss(parser: Parser) -> None:
    parser.add_argument(
        "--loss", type=choice(*LOSSES), metavar="NAME", help=f"{', '.join(LOSSES)} (by the kind of data)"
    )
    parser.add_argument("--label-smoothing", type=number, metavar="X", default=0.0, help="of cross-entropy (0)")


# ------------------------------------------------ understood


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

    return load(args.data, validation=args.validation, seed=args.seed, target=args.target, standardize=args.standardize)


def load_model(args: Namespace, data: Dataset | None) -> tuple[Network, tuple[int, ...]]:
    """Return the network and the shape of one example, from the data or from --input and --outputs."""
    from minisgd.nn.models import model

    if data is not None:
        return model(args.model, data.input_shape, data.n_outputs), data.input_shape
    return model(args.model, args.input, args.outputs), args.input


def data_if_given(args: Namespace) -> Dataset | None:
    """Return the data set of --data, or None where --input stands in for it."""
    if (args.data is None) == (args.input is None):
        raise ArgumentError(
            "--input",
            expected="given where --data is not, and only there",
            got="both" if args.data else "neither",
            fix="write --data digits, or --input 64",
        )
    return load_data(args) if args.data else None


def make_loss(args: Namespace) -> Loss | None:
    """Return the loss that was asked for; None leaves it to the kind of data."""
    from minisgd import nn

    if args.label_smoothing and args.loss not in (None, "cross-entropy"):
        raise ArgumentError(
            "--label-smoothing", expected="left out with this loss", got=args.loss, fix="use --loss cross-entropy"
        )
    if args.label_smoothing or args.loss == "cross-entropy":
        return nn.SoftmaxCrossEntropy(label_smoothing=args.label_smoothing)
    others = {
        "binary-cross-entropy": nn.BinaryCrossEntropy,
        "mse": nn.MeanSquaredError,
        "l1": nn.L1,
        "huber": nn.Huber,
    }
    return others[args.loss]() if args.loss else None


def make_optimizer(args: Namespace, lr: LearningRateSchedule | None = None) -> Optimizer:
    """Return the optimizer of --optimizer, --momentum and --weight-decay."""
    from dataclasses import fields

    from minisgd import optim

    kinds: dict[str, Any] = dict(
        zip(
            OPTIMIZERS,
            (optim.SGD, optim.SGD, optim.Adagrad, optim.RMSProp, optim.Adam, optim.AdamW, optim.LARS, optim.LAMB),
            strict=True,
        )
    )
    kind = kinds[args.optimizer]
    given: dict[str, Any] = {"lr": default_lr(args.optimizer) if lr is None else lr}
    if args.optimizer == "nesterov":
        given |= {"nesterov": True, "momentum": 0.9}
    for name in ("momentum", "weight_decay"):
        if (value := getattr(args, name)) is None:
            continue
        if name not in {field.name for field in fields(kind)}:
            raise ArgumentError(
                f"--{name.replace('_', '-')}",
                expected=f"left out with --optimizer {args.optimizer}, which has none",
                got=value,
                fix="leave it out, or use --optimizer sgd",
            )
        given[name] = value
    optimizer: Optimizer = kind(**given)
    return optimizer


def default_lr(optimizer: str) -> float:
    """Return the learning rate of an optimizer that is given none."""
    return {"adagrad": 0.01, "rmsprop": 0.01, "adam": 1e-3, "adamw": 1e-3, "lamb": 1e-3}.get(optimizer, DEFAULT_LR)


def make_schedule(args: Namespace, epochs: float) -> LearningRateSchedule:
    """Return the schedule of --lr, --schedule and --warmup, for a training run of so many epochs."""
    from minisgd import optim

    lr = default_lr(args.optimizer) if args.lr is None else args.lr
    kind, _, detail = args.schedule.partition(":")
    _require_schedule(kind)
    if detail and kind != "step":
        raise ArgumentError("--schedule", expected=f"{kind} alone", got=args.schedule, fix="only step takes numbers")
    schedule: LearningRateSchedule
    if kind == "step":
        factor, every = _numbers("--schedule", detail, "step:0.1,10") if detail else (0.1, epochs / 3)
        schedule = optim.StepDecay(lr, factor=factor, every=every)
    else:
        schedule = {"constant": optim.Constant, "cosine": optim.Cosine, "onecycle": optim.OneCycle}[kind](lr)
    return schedule if args.warmup is None else optim.Warmup(schedule, epochs=args.warmup)


def _require_schedule(kind: str) -> None:
    """Refuse an unknown schedule."""
    if kind not in SCHEDULES:
        guess = did_you_mean(kind, SCHEDULES) or "for example cosine"
        raise ArgumentError("--schedule", expected=f"one of {', '.join(SCHEDULES)}", got=repr(kind), fix=guess)


def batch_size(text: str) -> BatchSize:
    """Return the batch size of a word: 32, full, or grow:FIRST,LAST,EPOCHS for a batch that doubles."""
    from minisgd.optim import GrowBatch

    if text.startswith("grow:"):
        numbers = _numbers("--batch-size", text.removeprefix("grow:"), "grow:32,1024,5", n=3)
        start, largest, every = numbers
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
            "--batch-size", expected="a number beside --input", got=repr(text), fix="write 32, or use --data"
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
