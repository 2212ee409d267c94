"""A training step as a table: its lines, what they come to, and how they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from operator import attrgetter
from typing import Any

from minisgd.tables import Shown, bars
from minisgd.training.memory import format_bytes
from minisgd.typing import Shape


@dataclass(frozen=True)
class Line:
    """One array call of the step, or the same call made ``count`` times.

    shapes: of the operands, the result's last   flops, bytes, microseconds: of all ``count`` calls together
    norm: of the result in a traced training run, at its first and at its last traced step; of an update, |Δw|
    dead: in the same way, the share of a ReLU's units that no example activates   ratio: of an update, |Δw|/|w|
    """

    phase: str
    layer: str
    op: str
    formula: str
    shapes: tuple[Shape, ...]
    flops: int
    bytes: int
    microseconds: float | None = None
    count: int = 1
    norm: tuple[float, float] | None = None
    dead: tuple[float, float] | None = None
    ratio: tuple[float, float] | None = None


@dataclass(frozen=True)
class Total:
    """What a phase, or the whole step, comes to."""

    calls: int
    flops: int
    bytes: int
    microseconds: float | None


@dataclass(frozen=True)
class Explanation(Shown):
    """A training step, line by line: gathering the batch, forward, loss, backward, update."""

    batch_size: int
    input_shape: Shape
    parameters: int
    dtype: str
    loss: str
    optimizer: str
    lines: tuple[Line, ...]
    traced: tuple[int, int] | None = None
    """The first and the last traced step, where norms of a training run were added."""
    native_calls: int | None = None
    """How many of the calls a training run executes natively, where they were timed."""

    @property
    def phases(self) -> dict[str, list[Line]]:
        """The lines by phase, in order."""
        phases: dict[str, list[Line]] = {}
        for line in self.lines:
            phases.setdefault(line.phase, []).append(line)
        return phases

    @property
    def totals(self) -> dict[str, Total]:
        """What every phase comes to."""
        return {phase: _total(lines) for phase, lines in self.phases.items()}

    @property
    def total(self) -> Total:
        """What the step comes to."""
        return _total(self.lines)

    @property
    def headline(self) -> str:
        """What was recorded, in two or three lines."""
        shape = "×".join(map(str, self.input_shape))
        text = (
            f"One training step on a batch of {self.batch_size}, input {shape}\n"
            f"{self.parameters:,} parameters, {self.dtype}, {self.loss}, {self.optimizer}"
        )
        if self.traced is not None:
            text += f"\nin training: norms at step {self.traced[0]} → {self.traced[1]}"
        if self.native_calls is not None:
            text += (
                f"\ntimed call by call through NumPy; training runs {self.native_calls} of {self.total.calls} natively"
            )
        return text

    def to_json(self) -> str:
        """Write the document of ``minisgd explain --json``."""
        document = asdict(self)
        document["totals"] = {phase: asdict(total) for phase, total in self.totals.items()}
        document["total"] = asdict(self.total)
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the table as text, its header first; a phase and a layer are rows of one cell."""
        timed = () if self.total.microseconds is None else ("µs",)
        yield ("formula", "shapes", "FLOPs", "bytes", *timed, *self._norm_cell("in training"))
        for phase, lines in self.phases.items():
            yield (phase,)
            layer = ""
            for line in lines:
                if line.layer != layer:
                    layer = line.layer
                    yield (f"  {layer}",)
                times = f"  ×{line.count}" if line.count > 1 else ""
                yield (
                    f"    {line.formula}{times}",
                    _shapes(line.shapes),
                    *_costs(line),
                    *self._norm_cell(_traced(line)),
                )
            total = self.totals[phase]
            yield (f"  {phase} in all", _calls(total), *_costs(total), *self._norm_cell(_ratio(lines)))
        yield ("whole step", _calls(self.total), *_costs(self.total), *self._norm_cell(""))

    def _norm_cell(self, cell: str) -> tuple[str, ...]:
        """Return a cell of the column of norms, where there is one."""
        return () if self.traced is None else (cell,)

    def __str__(self) -> str:
        rows = list(self.rows())
        widths = [max(len(row[column]) for row in rows if len(row) > 1) for column in range(len(rows[0]))]
        text = [self.headline, ""]
        for row in rows:
            cells = (
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=False))
            )
            text.append("  ".join(cells).rstrip())
        return "\n".join(text)

    def picture(self) -> str:
        """Return the layers' FLOPs, or what they take where that was measured."""
        timed, by_layer = self.total.microseconds is not None, dict[str, float]()
        for line in self.lines:
            where = f"{line.phase}: {line.layer}" if line.layer else line.phase
            by_layer[where] = by_layer.get(where, 0) + (line.microseconds or 0 if timed else line.flops)
        return bars(by_layer, (lambda us: f"{us:.3g} µs") if timed else (lambda flops: f"{flops:,.0f} FLOPs"))


# ------------------------------------------------ folding repetitions

LONGEST_PERIOD = 24
"""Lines that a repeated block may have: a chunk of a convolution's backward pass is shorter."""

_identity = attrgetter("phase", "layer", "formula", "shapes", "count")
"""What lines have in common that differ in their costs at most."""


def fold(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Fold repetitions: equal lines in a row, and then blocks of lines that come again, into lines with counts."""
    folded = list(lines)
    for period in range(1, LONGEST_PERIOD + 1):
        folded = _fold_blocks(folded, period)
    return tuple(folded)


def _fold_blocks(lines: Sequence[Line], period: int) -> list[Line]:
    folded: list[Line] = []
    start = 0
    while start < len(lines):
        copies = _copies(lines[start:], period)
        width = period if copies > 1 else 1
        for position in range(start, start + width):
            folded.append(_merged(lines[position : position + copies * period : period]))
        start += copies * width
    return folded


def _copies(lines: Sequence[Line], period: int) -> int:
    """Return how many times the first ``period`` lines come, one after the other."""
    n = 1
    while len(lines) >= (n + 1) * period and all(
        _identity(line) == _identity(again) for line, again in zip(lines[:period], lines[n * period :], strict=False)
    ):
        n += 1
    return n


def _merged(lines: Sequence[Line]) -> Line:
    total, last = _total(lines), lines[-1]
    costs: dict[str, Any] = {"flops": total.flops, "bytes": total.bytes, "microseconds": total.microseconds}
    return replace(lines[0], **costs, count=total.calls, norm=last.norm, dead=last.dead, ratio=last.ratio)


# ------------------------------------------------ writing


def _total(lines: Sequence[Line]) -> Total:
    return Total(
        sum(line.count for line in lines),
        sum(line.flops for line in lines),
        sum(line.bytes for line in lines),
        _sum(lines),
    )


def _sum(lines: Sequence[Line]) -> float | None:
    """Return the microseconds of all lines, None where they were not measured."""
    known = [line.microseconds for line in lines if line.microseconds is not None]
    return sum(known) if known else None


def _shapes(shapes: tuple[Shape, ...]) -> str:
    *reads, out = ("×".join(map(str, shape)) or "1" for shape in shapes)
    arrays = [text for text in reads if text != "1"]
    return f"{', '.join(arrays)} → {out}" if arrays else f"→ {out}"


def _traced(line: Line) -> str:
    """Say how a result changed during a training run: 4.68 → 7.07."""
    if line.dead is not None:
        return "{:.0%} → {:.0%} dead".format(*line.dead)
    return "" if line.norm is None else "{:.3g} → {:.3g}".format(*line.norm)


def _ratio(lines: Sequence[Line]) -> str:
    """Say how large an update was relative to the weights, where a line has it: 0.76% → 0.35% of w."""
    return next(("{:.2g}% → {:.2g}% of w".format(*(100 * x for x in line.ratio)) for line in lines if line.ratio), "")


def _calls(total: Total) -> str:
    return "1 call" if total.calls == 1 else f"{total.calls:,} calls"


def _costs(of: Line | Total) -> tuple[str, ...]:
    costs = _short(of.flops), format_bytes(of.bytes)
    return costs if of.microseconds is None else (*costs, f"{of.microseconds:,.1f}")


def _short(n: int) -> str:
    """Write a count to three digits: 320, 4.1k, 524k, 57.8M."""
    for factor, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if n >= factor:
            return f"{n / factor:.3g}{letter}" if n < 999.5 * factor else f"{n / factor:.0f}{letter}"
    return str(n)
