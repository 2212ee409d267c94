"""What results look like: a table as aligned text in a terminal, as HTML in a notebook, and curves beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, fields
from html import escape
from math import isfinite, log10
from typing import TypeAlias

Points: TypeAlias = Sequence[tuple[float, float]]

COLOURS = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
WIDTH, HEIGHT, LEFT, BOTTOM = 420, 190, 52, 26


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header, the first column to the left and the others to the right.

    Attributes:
        header: Names of the columns.
        rows: Cells, as text.
        title: What stands above.
        notes: What stands below.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(len(line[k]) for line in lines) for k in range(len(self.header))]
        first, *others = widths
        body = [
            "  ".join([line[0].ljust(first), *(cell.rjust(w) for cell, w in zip(line[1:], others, strict=True))])
            for line in lines
        ]
        return "\n".join(line.rstrip() for line in [*([self.title] if self.title else []), *body, *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.header)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows)
        title = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"


class Shown:
    """A result that a notebook shows as its text, or as a table of its fields, with a picture where it has one."""

    def picture(self) -> str:
        """Return the picture that says most about the result, as HTML; nothing where a picture says no more."""
        return ""

    def _repr_html_(self) -> str:
        if type(self).__str__ is not object.__str__:
            return f"<pre>{escape(str(self))}</pre>{self.picture()}"
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        rows = [(name, _cell(value)) for name, value in values.items()]
        return Table(("", ""), rows, type(self).__name__)._repr_html_() + self.picture()


def _cell(value: object) -> str:
    """Write the value of a field: a number, an interval, or how much there is of it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(each, float) for each in value):
        return f"{value[0]:.4g} to {value[1]:.4g}"
    if isinstance(value, str | int | None):
        return str(value)
    shape = getattr(value, "shape", None)
    return f"array {shape}" if shape is not None else f"{len(value)} values" if isinstance(value, Sized) else "…"


def curves(named: Mapping[str, Points], x: str, y: str, *, logarithmic: bool = False) -> str:
    """Return curves as an SVG picture, without matplotlib: points (x, y) by name; what is not finite is left out."""
    drawn = {
        name: [(log10(a), log10(b)) if logarithmic else (a, b) for a, b in points if _visible(a, b, logarithmic)]
        for name, points in named.items()
    }
    drawn = {name: points for name, points in drawn.items() if len(points) > 1}
    if not drawn:
        return ""
    every = [point for points in drawn.values() for point in points]
    (low_x, high_x), (low_y, high_y) = (_range([point[axis] for point in every]) for axis in (0, 1))

    def place(a: float, b: float) -> str:
        across = LEFT + (WIDTH - LEFT - 8) * (a - low_x) / (high_x - low_x)
        return f"{across:.1f},{HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 20) * (b - low_y) / (high_y - low_y):.1f}"

    def label(value: float) -> str:
        return f"{10**value if logarithmic else value:.3g}"

    parts = [
        f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{" ".join(place(*p) for p in points)}"/>'
        for colour, points in zip(COLOURS, drawn.values(), strict=False)
    ]
    legend = "".join(
        f'<tspan fill="{colour}">{escape(name)} </tspan>' for colour, name in zip(COLOURS, drawn, strict=False)
    )
    texts = [
        (LEFT, 12, "start", legend),
        (LEFT - 4, HEIGHT - BOTTOM, "end", label(low_y)),
        (LEFT - 4, 24, "end", label(high_y)),
        (LEFT, HEIGHT - 10, "start", label(low_x)),
        (WIDTH - 8, HEIGHT - 10, "end", label(high_x)),
        ((LEFT + WIDTH) / 2, HEIGHT - 10, "middle", escape(x)),
        (WIDTH - 8, 12, "end", escape(y)),
    ]
    parts += [f'<text x="{a}" y="{b}" text-anchor="{anchor}">{text}</text>' for a, b, anchor, text in texts]
    return _svg(parts, HEIGHT)


def bars(named: Mapping[str, float], write: Callable[[float], str]) -> str:
    """Return a bar for each positive number, as an SVG picture: its name, its length, and how it is written."""
    shown = {name: value for name, value in named.items() if isfinite(value) and value > 0}
    longest, middle, height = max(shown.values(), default=1.0), WIDTH * 0.4, 18
    parts = []
    for k, (name, value) in enumerate(shown.items()):
        length, y = (WIDTH - middle - 70) * value / longest, k * height
        parts.append(
            f'<text x="{middle - 6:.0f}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{middle:.0f}" y="{y + 3}" width="{length:.1f}" height="{height - 6}" fill="{COLOURS[0]}"/>'
            f'<text x="{middle + length + 5:.1f}" y="{y + 13}">{escape(write(value))}</text>'
        )
    return _svg(parts, height * len(shown)) if shown else ""


def _svg(parts: Sequence[str], height: int) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'font-family="sans-serif" font-size="11" fill="currentColor">{"".join(parts)}</svg>'
    )


def _visible(a: float, b: float, logarithmic: bool) -> bool:
    return isfinite(a) and isfinite(b) and not (logarithmic and min(a, b) <= 0)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
