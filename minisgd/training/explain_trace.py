"""A run beside the step: each line that finishes an array gets the norm that the array had in a traced training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

from minisgd.errors import ArgumentError
from minisgd.training.explanation import Line
from minisgd.training.trace import TraceResult
from minisgd.typing import HostArray


def beside(lines: Sequence[Line], trace: TraceResult) -> list[Line]:
    """Return the lines with first and last traced norms: of y in forward, dW and the like in backward, Δw in update."""
    finishing = {(line.phase, line.layer, _written(line)): position for position, line in enumerate(lines)}
    result = list(lines)
    for (phase, layer, array), position in finishing.items():
        result[position] = replace(lines[position], **_known(trace, phase, layer, array))
    return result


def _known(trace: TraceResult, phase: str, layer: str, array: str) -> dict[str, tuple[float, float]]:
    """Return what was traced of an array: none, some or all of norm, dead and ratio."""
    known: dict[str, HostArray | None] = {}
    if phase == "forward" and array == "y":
        known = {"norm": trace.norms(layer, "y"), "dead": trace.dead_units(layer)}
    elif phase == "backward" and array != "y":
        known = {"norm": trace.norms(layer, array)}
    elif phase == "update" and array == "w":
        known = {"norm": trace.step_norm, "ratio": trace.step_ratio}
    ends = {name: (float(values[0]), float(values[-1])) for name, values in known.items() if values is not None}
    return {name: pair for name, pair in ends.items() if all(map(isfinite, pair))}


def require_layers(trace: TraceResult, layers: Sequence[str]) -> None:
    """Refuse the trace of another network.

    Errors: ArgumentError naming trace.
    """
    if not isinstance(trace, TraceResult):
        raise ArgumentError("trace", expected="a TraceResult", got=type(trace).__name__, fix="pass trace.result")
    if strangers := [layer for layer in trace.layers if layer not in layers]:
        raise ArgumentError(
            "trace",
            expected=f"of this network, whose layers are {', '.join(layers)}",
            got=f"one with {', '.join(strangers)}",
            fix="trace a training of this network",
        )


def _written(line: Line) -> str:
    """Return the array that a line writes to: y of ``y[…] += b``."""
    return line.formula.partition(" ")[0].partition("[")[0].removesuffix("ᵀ")
