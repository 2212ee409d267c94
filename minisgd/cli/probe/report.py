"""What a probe found, told once: in the terminal, as JSON, and with --out DIR as a page with pictures."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from minisgd.cli import output, running
from minisgd.cli.parser import Parser, folder
from minisgd.files import to_json, write_atomically

if TYPE_CHECKING:
    from minisgd.lab.plots import Figure

UNSAID = ("command_line", "out", "json", "quiet", "config")
"""Options that say nothing of what was measured."""


class Column(NamedTuple):
    """A column of a table: its name, its values, and how one is said."""

    name: str
    values: Sequence[Any]
    say: Callable[[Any], str] = str


class Picture(NamedTuple):
    """A picture of the page: its name, the question that it answers, what draws it, and what it shows here."""

    name: str
    question: str
    draw: Callable[[], Figure]
    caption: str


@dataclass(frozen=True)
class Report:
    """What a probe found, in the words and digits that terminal and page share.

    answer: the heading of the page   document: what --json prints   how: how it was measured
    facts: (name, number, remark)   tables: columns by name   cautions: what keeps from concluding
    plots: what the page shows; cautions stand beside the first
    """

    answer: str
    document: Mapping[str, Any]
    how: Sequence[str]
    sentences: Sequence[str] = ()
    facts: Sequence[tuple[str, str, str]] = ()
    tables: Mapping[str, Sequence[Column]] = field(default_factory=dict)
    cautions: Sequence[str] = ()
    plots: Sequence[Picture] = ()


def configure(parser: Parser) -> None:
    """Add --out."""
    parser.add_argument("--out", type=folder, metavar="DIR", help="write report.html, with pictures, and probe.json")


def begin(args: Namespace) -> None:
    """Refuse before the work a folder that cannot be written to."""
    if args.out:
        output.require_writable(args.out)


def publish(args: Namespace, found: Report) -> None:
    """Print what was found; write the page, and what --json prints, where --out says."""
    show(args, found)
    if args.out:
        write_atomically(args.out / "probe.json", to_json(found.document, indent=2).encode(), "--out")
        write_page(args, found)


def show(args: Namespace, found: Report) -> None:
    """Print what was found, or its JSON."""
    if args.json:
        output.print_json(found.document)
    else:
        _print(found)
    for text in (*found.how, *found.cautions):
        output.note(text, args.quiet)


def _print(found: Report) -> None:
    for text in found.sentences:
        output.print_text(text)
    tables: list[tuple[Sequence[str], Sequence[Sequence[str]], int]] = []
    if found.facts:
        tables.append((("", "", ""), found.facts, 3))
    for columns in found.tables.values():
        said = list(zip(*(map(c.say, c.values) for c in columns), strict=True))
        tables.append(([c.name for c in columns], said, sum(isinstance(c.values[0], str) for c in columns)))
    for position, (header, rows, left) in enumerate(tables):
        if position or found.sentences:
            print()
        output.print_table(header, rows, left=left)


def write_page(args: Namespace, found: Report) -> None:
    """Write report.html into --out, or say what it takes to have one."""
    missing = running.without_report("report.html")
    if missing:
        output.note(missing, args.quiet)
        return
    from dataclasses import replace

    from minisgd.lab import page

    name = " ".join(args.command_line.split()[:3])
    plots = [page.Plot(p.name, p.question, [page.View("", p.draw(), p.caption)]) for p in found.plots]
    if plots:
        plots[0] = replace(plots[0], cautions=found.cautions)
    sentences = [text for text in found.sentences if text.rstrip(":").lower() != found.answer.lower()]
    options = {k: v for k, v in vars(args).items() if k not in UNSAID and v not in (None, False, (), "")}
    context = {
        "title": name,
        "over": name,
        "answer": found.answer,
        "why": " ".join([*sentences, *(f"{text[:1].upper()}{text[1:]}." for text in found.how)]),
        "facts": [(number, name, remark) for name, number, remark in found.facts],
        "usage": [args.command_line],
        "cautions": () if plots else found.cautions,
        "plots": plots,
        "tables": [(name, *_table(columns)) for name, columns in found.tables.items()],
        "setting": [(name.replace("_", " "), str(value)) for name, value in options.items()],
    }
    output.note(f"Report: {page.write_page(args.out / 'report.html', 'minisgd.lab.page', **context)}", args.quiet)


def _table(columns: Sequence[Column]) -> tuple[list[str], list[dict[str, Any]]]:
    rows = zip(*([(c.say(v), "", _sorts(v)) for v in c.values] for c in columns), strict=True)
    return [c.name for c in columns], [{"cells": cells} for cells in rows]


def _sorts(value: Any) -> str:
    """Write a value for sorting and for the CSV, an interval by its lower end; nothing where there is none."""
    if isinstance(value, tuple):
        return _sorts(value[0])
    return str(value) if isinstance(value, str | int) else f"{value:.6g}" if isfinite(value) else ""
