"""Norms from a training run: each line that finishes an array gets the norm that the array had in a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

from minisgd.errors import ArgumentError
from minisgd.training.explain.explanation import Line
from minisgd.training.trace import TraceResult
from minisgd.typing import HostArray


def with_norms(lines: Sequence[Line], trace: TraceResult) -> list[Line]:
    """Return the lines with what was traced of their results, at the first and at the last traced step.

    The norm of y stands where a layer's forward pass finishes it, that of dW and its like in backward, |Δw| and |Δw|
    by |w| where the update writes w; the share of dead units at the mask of a ReLU, which tells who is alive.
    """
    finishing = {(line.phase, line.layer, _written(line)): position for position, line in enumerate(lines)}
    result = list(lines)
    for (phase, layer, array), position in finishing.items():
        line = lines[position]
        if phase == "forward" and array == "y":
            result[position] = replace(line, norm=_ends(trace.norms(layer, "y")))
        elif phase == "backward" and array == "mask":
            result[position] = replace(line, dead=_ends(trace.dead_units(layer)))
        elif phase == "backward" and array != "y":
            result[position] = replace(line, norm=_ends(trace.norms(layer, array)))
        elif phase == "update" and array == "w":
            result[position] = replace(line, norm=_ends(trace.step_norm), ratio=_ends(trace.step_ratio))
    return result


def require_layers(trace: TraceResult, layers: Sequence[str]) -> None:
    """Refuse the trace of another network.

    Raises:
        ArgumentError: If a layer of the trace is not in the network.
    """
    if unknown := [layer for layer in trace.layers if layer not in layers]:
        raise ArgumentError(
            "trace",
            expected=f"of this network, whose layers are {', '.join(layers)}",
            got=f"one with {', '.join(unknown)}",
            fix="trace a training run of this network",
        )


def _written(line: Line) -> str:
    """Return the array that a line writes to: y of ``y[…] += b``."""
    return line.formula.partition(" ")[0].partition("[")[0].removesuffix("ᵀ")


def _ends(values: HostArray | None) -> tuple[float, float] | None:
    """Return the first and the last value; None where there are none, or none that is finite."""
    if values is None or not all(map(isfinite, values[[0, -1]])):
        return None
    return float(values[0]), float(values[-1])
