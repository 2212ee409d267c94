"""What commands share that run something: where it runs, what is reported meanwhile, what is refused beforehand."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from minisgd.cli.inputs import named
from minisgd.cli.output import ProgressBar, note
from minisgd.errors import MissingExtraError

if TYPE_CHECKING:
    from minisgd.lab.instruments import Objective

WORTH_ANNOUNCING = 3.0
"""Seconds of work that are announced before they begin."""


def machine(args: Namespace) -> dict[str, Any]:
    """Return --dtype, --device, --threads and --seed as the keyword arguments that take them."""
    return named(args, "dtype", "device", "threads", "seed")


def without_report(what: str) -> str | None:
    """Say before the work what it will be without, where the report cannot be drawn; None where it can."""
    missing = _missing()
    if not missing:
        return None
    are = "is" if len(missing) == 1 else "are"
    return f"no {what}, as {' and '.join(missing)} {are} not installed: pip install 'minisgd[report]'"


def _missing() -> list[str]:
    """Return which packages of the report are not installed."""
    return [package for package in ("matplotlib", "jinja2") if find_spec(package) is None]


def require_report(what: str) -> None:
    """Refuse before hours of work, not after them, when the report could not be drawn."""
    missing = _missing()
    if missing:
        fix = "pip install 'minisgd[report]'"
        raise MissingExtraError(
            what, expected="used with matplotlib and jinja2 installed", got=f"no {' and no '.join(missing)}", fix=fix
        )


def reporter(bar: ProgressBar) -> Callable[[str, Mapping[str, Any]], None]:
    """Return the on_event of a study or of claims that shows progress on the bar, and everything else as a note."""

    def on_event(kind: str, facts: Mapping[str, Any]) -> None:
        if kind == "progress":
            bar.show(facts["share"], facts["text"])
        else:
            bar.note(facts["text"] if kind == "note" else f"{kind}: {facts['text']}")

    return on_event


def announce(objective: Objective, gradients: float, args: Namespace, advice: str = "") -> None:
    """Print an estimate of so many gradients' time, by that of one, if it is long."""
    from time import perf_counter

    from minisgd.lab import words

    objective.gradient(objective.start)
    begun = perf_counter()
    objective.gradient(objective.start)
    seconds = (perf_counter() - begun) * gradients
    if seconds > WORTH_ANNOUNCING:
        note(f"{objective.examples:,} examples, about {words.seconds(seconds)}{advice}", args.quiet)
