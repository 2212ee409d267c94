"""Options that several commands share: their names, types and help texts."""

from __future__ import annotations

from argparse import BooleanOptionalAction
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

from minisgd.cli.parser import Parser, choice, listed, natural, number, positive, shape


def add_common(parser: Parser, *, runs: bool = True, dtype: str = "float32") -> None:
    """Add what every command has; and, for those that run something, where and from which seed."""
    group = parser.add_argument_group("output and machine" if runs else "output")
    group.add_argument("--json", action="store_true", help="print one JSON document on stdout, and nothing else there")
    group.add_argument("--config", metavar="FILE", help="options from a TOML file; what is typed here counts")
    group.add_argument("--quiet", action="store_true", help="no notes and no progress bar")
    if runs:
        group.add_argument(
            "--seed", type=natural, metavar="N", default=0, help="seed of weights, shuffles, hold-out (0)"
        )
        group.add_argument("--threads", type=positive, metavar="N", help="BLAS threads (chosen by the work)")
        group.add_argument(
            "--device",
            type=choice("cpu", "cuda", "auto", gpu="cuda"),
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
    from typing import get_args

    from minisgd.data.sources import FORMS
    from minisgd.data.target import Task

    group = parser.add_argument_group("data")
    group.add_argument("--data", metavar="DATA", required=required, help=FORMS)
    group.add_argument(
        "--validation",
        type=number,
        metavar="SHARE",
        default=validation,
        help=f"share of the examples to hold out ({validation:g})",
    )
    group.add_argument(
        "--task",
        type=choice(*get_args(Task)),
        metavar="NAME",
        help=f"{', '.join(get_args(Task))} (guessed from the target)",
    )
    group.add_argument(
        "--standardize", action=BooleanOptionalAction, help="features to mean 0 and std 1 (tables yes, arrays no)"
    )
    add_table(parser)


def add_table(parser: Parser) -> None:
    """Add what only tables need."""
    group = parser.add_argument_group("tables")
    group.add_argument("--target", type=listed(str), metavar="COLUMN,…", help="target column, or several (the last)")
    group.add_argument("--drop", type=listed(str), metavar="COLUMN,…", default=(), help="columns to leave out")
    group.add_argument(
        "--categorical", type=listed(str), metavar="COLUMN,…", default=(), help="columns that are categories"
    )
    group.add_argument(
        "--missing",
        type=choice("impute", "drop", "refuse"),
        default="impute",
        metavar="HOW",
        help="missing values: impute the mean, drop the rows, or refuse (impute)",
    )
    group.add_argument("--text", metavar="COLUMN", help="the column of text whose words are the features")
    group.add_argument("--keep-index", action="store_true", help="keep columns that only number or name the rows")
    add_header(group)


def add_allow(group: Any) -> None:
    """Add which files of a user's own may be run for a saved network."""
    group.add_argument(
        "--allow",
        type=listed(str),
        default=[],
        metavar="FILE.py:NAME,…",
        help="run these files for the layers of one's own that the network is made of",
    )


def add_header(group: Any) -> None:
    """Add whether line 1 of a text file names the columns."""
    group.add_argument(
        "--header", action=BooleanOptionalAction, help="line 1 names the columns (refused where it looks like data)"
    )


def add_model(parser: Parser, *, default: str | None = None) -> None:
    from minisgd.nn.models import ACTIVATION_FORM, FORMS

    said = f" ({default})" if default else ""
    help = f"{FORMS}; {ACTIVATION_FORM}{said}"
    parser.add_argument("--model", default=default, required=default is None, help=help)


def add_example(parser: Parser) -> None:
    """Add what stands in for data where only its shape counts."""
    parser.add_argument(
        "--input", type=shape, metavar="SHAPE", help="shape of an example, instead of --data: 64, 28x28x1"
    )
    parser.add_argument(
        "--outputs", type=positive, metavar="N", default=10, help="outputs of the network, for --input (10)"
    )


def add_optimizer(parser: Parser, *, default: str | None = "sgd") -> None:
    from minisgd.optim import OPTIMIZERS

    group = parser.add_argument_group("optimizer")
    group.add_argument(
        "--optimizer",
        type=choice(*OPTIMIZERS),
        default=default,
        metavar="NAME",
        help=f"{', '.join(OPTIMIZERS)} ({default or 'sgd; adam for regression'})",
    )
    momentum, decay = by_default("momentum"), by_default("weight_decay")
    owners = ", ".join(name for names in momentum.values() for name in names)
    group.add_argument("--momentum", type=number, metavar="X", help=f"for {owners} {defaults_text(momentum)}")
    group.add_argument("--weight-decay", type=number, metavar="X", help=f"weight decay {defaults_text(decay)}")


def add_learning_rate(parser: Parser) -> None:
    from minisgd.optim import SCHEDULES

    group = parser.add_argument_group("learning rate")
    group.add_argument("--lr", type=number, metavar="X", help=f"learning rate {defaults_text(by_default('lr'))}")
    group.add_argument(
        "--schedule", default="constant", metavar="NAME", help=f"{', '.join(SCHEDULES)}, step:FACTOR,EPOCHS (constant)"
    )
    group.add_argument("--warmup", type=number, metavar="X", help="raise the learning rate over the first X epochs")


def add_loss(parser: Parser) -> None:
    from minisgd.nn.losses import LOSSES

    parser.add_argument(
        "--loss", type=choice(*LOSSES), metavar="NAME", help=f"{', '.join(LOSSES)} (chosen by the data)"
    )
    parser.add_argument("--label-smoothing", type=number, metavar="X", default=0.0, help="for cross-entropy (0)")


# ------------------------------------------------ defaults of optimizers, read from their signatures


def by_default(option: str) -> dict[float, list[str]]:
    """Return the optimizers that have an option, by its default; that of most comes first."""
    from minisgd.optim import DEFAULT_LR, OPTIMIZERS

    found: dict[float, list[str]] = {}
    for name, kind in OPTIMIZERS.items():
        if (parameter := signature(kind).parameters.get(option)) is not None:
            default = DEFAULT_LR if parameter.default is parameter.empty else parameter.default
            found.setdefault(default, []).append(name)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def defaults_text(by_default: Mapping[float, Sequence[str]]) -> str:
    """Write defaults as help texts do: (0.1; adam, adamw, lamb 0.001)."""
    (usual, _), *others = by_default.items()
    exceptions = (f"; {', '.join(names)} {value:g}" for value, names in others)
    return f"({usual:g}{''.join(exceptions)})"


def default_lr(optimizer: str) -> float:
    """Return the learning rate of an optimizer that is given none."""
    return next(lr for lr, names in by_default("lr").items() if optimizer in names)
