"""``--scaled-from``: the settings of another batch size, carried over to this one."""

from __future__ import annotations

from argparse import Namespace, _ArgumentGroup
from dataclasses import fields
from typing import TYPE_CHECKING

from minisgd.cli import output
from minisgd.cli.naming import blamed_on
from minisgd.cli.parser import positive
from minisgd.errors import ArgumentError

if TYPE_CHECKING:
    from minisgd.optim import Optimizer
    from minisgd.optim.batch_size import BatchSize


def configure(group: _ArgumentGroup) -> None:
    """Add the options."""
    from minisgd.optim import SCALING_RULES

    group.add_argument(
        "--scaled-from",
        type=positive,
        metavar="B0",
        help="carry --lr and the other settings, tuned at batch size B0, over to --batch-size, by --scaling",
    )
    group.add_argument(
        "--scaling", metavar="RULE", help=f"{', '.join(SCALING_RULES)} (linear; sqrt for Adam and the like)"
    )


def scaled(args: Namespace, optimizer: Optimizer, size: BatchSize, examples: int) -> Optimizer:
    """Carry the optimizer from the batch size of --scaled-from to the one asked for, and say what changes."""
    from minisgd import optim
    from minisgd.optim.scaling_rules import usual_rule

    if args.scaled_from is None:
        if args.scaling is not None:
            fix = "add --scaled-from 32, the batch size at which --lr was tuned"
            raise ArgumentError("--scaling", expected="given together with --scaled-from", got=args.scaling, fix=fix)
        return optimizer
    batch = optim.as_batch_schedule(size, examples)
    if not isinstance(batch, optim.ConstantBatch):
        fix = "give one number, such as --batch-size 512"
        raise ArgumentError("--scaled-from", expected="a constant batch size", got=args.batch_size, fix=fix)
    name = args.scaling or usual_rule(optimizer)
    with blamed_on("--scaling"):
        optim.scaled(optimizer, reference=1, batch_size=1, rule=name)  # any optimizer that the rule suits bears this
    with blamed_on("--batch-size / --scaled-from"):
        moved = optim.scaled(optimizer, reference=args.scaled_from, batch_size=batch.largest, rule=name)
    rule = optim.SCALING_RULES[name]
    output.note(
        f"Scaled from batch size {args.scaled_from} to {batch.largest} by {name} ({rule.formula}; {rule.source}): "
        f"{', '.join(_changes(optimizer, moved, batch.largest))}",
        args.quiet,
    )
    return moved


def _changes(before: Optimizer, after: Optimizer, batch_size: int) -> list[str]:
    """Return what changed, setting by setting; of a schedule, at its beginning."""
    from minisgd.optim import Constant, Progress

    begin = Progress(step=0, epoch=0.0, fraction=0.0, batch_size=batch_size)
    values = {f.name: (getattr(before, f.name), getattr(after, f.name)) for f in fields(before) if f.name != "lr"}
    rate = before.schedule(begin), after.schedule(begin)
    values = {"lr" if isinstance(before.schedule, Constant) else "lr at the first update": rate} | values
    changed = {name: pair for name, pair in values.items() if pair[0] != pair[1]}
    return [f"{name} {_text(old)} → {_text(new)}" for name, (old, new) in changed.items()] or ["nothing changes"]


def _text(value: object) -> str:
    return f"({', '.join(map(_text, value))})" if isinstance(value, tuple) else f"{value:.6g}"
