"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

from minisgd.cli.naming import blamed_on
from minisgd.cli.parser import Parser, choice, did_you_mean, natural, number, positive, shape
from minisgd.errors import ArgumentError

if TYPE_CHECKING:
    from minisgd.data import Dataset
    from minisgd.nn import Loss, Network
    from minisgd.optim import Optimizer
    from minisgd.optim.batch_size import BatchSize
    from minisgd.optim.learning_rate import LearningRateSchedule

STEP_FORM = "step:FACTOR,EPOCHS"

DEFAULT_LR = 0.1
"""For the optimizers that have no default of their own."""


# ------------------------------------------------ declared


def add_common(parser: Parser, *, runs: bool = True, dtype: str = "float32") -> None:
    """Add what every command has; and, for those that run something, where and from which seed."""
    group = parser.add_argument_group("output and machine" if runs else "output")
    group.add_argument("--json", action="store_true", help="print one JSON document on stdout, and nothing else there")
    group.add_argument("--quiet", action="store_true", help="no notes and no progress bar")
    if runs:
        group.add_argument(
            "--seed", type=natural, metavar="N", default=0, help="seed of weights, shuffles, hold-out (0)"
        )
        group.add_argument("--threads", type=positive, metavar="N", help="BLAS threads (chosen by the work)")
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
    from minisgd.data.sources import FORMS

    group = parser.add_argument_group("data")
    group.add_argument("--data", metavar="DATA", required=required, help=FORMS)
    group.add_argument(
        "--validation",
        type=number,
        metavar="SHARE",
        default=validation,
        help=f"share of the examples to hold out ({validation:g})",
    )
    group.add_argument("--target", metavar="COLUMN", help="the target column of a table (the last)")
    group.add_argument(
        "--standardize",
        action="store_true",
        default=None,
        help="features to mean 0 and std 1 (tables always)",
    )


def add_model(parser: Parser, *, default: str | None = None) -> None:
    from minisgd.nn.models import FORMS

    said = f" ({default})" if default else ""
    parser.add_argument("--model", default=default, required=default is None, help=FORMS + said)


def add_example(parser: Parser) -> None:
    """Add what stands in for data where only its shape counts."""
    parser.add_argument(
        "--input", type=shape, metavar="SHAPE", help="shape of an example, instead of --data: 64, 28x28x1"
    )
    parser.add_argument(
        "--outputs", type=positive, metavar="N", default=10, help="outputs of the network, for --input (10)"
    )


def add_optimizer(parser: Parser) -> None:
    from minisgd.optim import OPTIMIZERS

    group = parser.add_argument_group("optimizer")
    group.add_argument(
        "--optimizer", type=choice(*OPTIMIZERS), default="sgd", metavar="NAME", help=f"{', '.join(OPTIMIZERS)} (sgd)"
    )
    momentum, decay = _by_default("momentum"), _by_default("weight_decay")
    owners = ", ".join(name for names in momentum.values() for name in names)
    group.add_argument("--momentum", type=number, metavar="X", help=f"for {owners} {_defaults(momentum)}")
    group.add_argument("--weight-decay", type=number, metavar="X", help=f"weight decay {_defaults(decay)}")


def add_learning_rate(parser: Parser) -> None:
    from minisgd.optim import SCHEDULES

    group = parser.add_argument_group("learning rate")
    group.add_argument("--lr", type=number, metavar="X", help=f"learning rate {_defaults(_by_default('lr'))}")
    group.add_argument(
        "--schedule", default="constant", metavar="NAME", help=f"{', '.join(SCHEDULES)}, {STEP_FORM} (constant)"
    )
    group.add_argument("--warmup", type=number, metavar="X", help="raise the learning rate over the first X epochs")


def add_loss(parser: Parser) -> None:
    from minisgd.nn.losses import LOSSES

    parser.add_argument(
        "--loss", type=choice(*LOSSES), metavar="NAME", help=f"{', '.join(LOSSES)} (chosen by the data)"
    )
    parser.add_argument("--label-smoothing", type=number, metavar="X", default=0.0, help="for cross-entropy (0)")


def _by_default(option: str) -> dict[float, list[str]]:
    """Return the optimizers that have an option, by its default; that of most comes first."""
    from minisgd.optim import OPTIMIZERS

    found: dict[float, list[str]] = {}
    for name, kind in OPTIMIZERS.items():
        if (parameter := signature(kind).parameters.get(option)) is not None:
            default = DEFAULT_LR if parameter.default is parameter.empty else parameter.default
            found.setdefault(default, []).append(name)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _defaults(by_default: Mapping[float, Sequence[str]]) -> str:
    """Write defaults as help texts do: (0.1; adam, adamw, lamb 0.001)."""
    (usual, _), *others = by_default.items()
    exceptions = (f"; {', '.join(names)} {value:g}" for value, names in others)
    return f"({usual:g}{''.join(exceptions)})"


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
            expected="given if --data is not, and only then",
            got="both" if args.data else "neither",
            fix="write --data digits, or --input 64",
        )
    return load_data(args) if args.data else None


def make_loss(args: Namespace) -> Loss | None:
    """Return the loss that was asked for; None leaves it to the kind of data."""
    from minisgd.nn import SoftmaxCrossEntropy
    from minisgd.nn.losses import LOSSES

    if args.label_smoothing and args.loss not in (None, "cross-entropy"):
        raise ArgumentError(
            "--label-smoothing",
            expected=f"left out with --loss {args.loss}",
            got=args.label_smoothing,
            fix="leave it out, or use --loss cross-entropy",
        )
    if args.label_smoothing or args.loss == "cross-entropy":
        with blamed_on("--label-smoothing"):
            return SoftmaxCrossEntropy(label_smoothing=args.label_smoothing)
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


def default_lr(optimizer: str) -> float:
    """Return the learning rate of an optimizer that is given none."""
    return next(lr for lr, names in _by_default("lr").items() if optimizer in names)


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
        raise ArgumentError(
            "--schedule",
            expected=f"{kind} without numbers",
            got=args.schedule,
            fix=f"write {kind}, as only step takes numbers",
        )
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
