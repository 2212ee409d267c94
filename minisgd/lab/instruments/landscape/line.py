"""The loss along a straight line through parameter space."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minisgd.checks import as_items, positive
from minisgd.data import Dataset
from minisgd.data.holdout import generator
from minisgd.errors import ArgumentError
from minisgd.lab.instruments.curvature.smooth import Examples, Smooth, Subject, as_smooth, examples_of
from minisgd.lab.instruments.landscape.directions import hold_mixture, points_of, random_direction, require_direction
from minisgd.lab.instruments.landscape.picture import caption_of, draw_line
from minisgd.lab.instruments.objective import Objective
from minisgd.lab.page import save
from minisgd.nn import Network
from minisgd.optim.checks import number
from minisgd.tables import Shown, curves
from minisgd.typing import HostArray, Seed


@dataclass(frozen=True)
class LossLine(Shown):
    """The loss at w(t) = w + t d.

    Attributes:
        t: Places along the line, (T,).
        loss: The loss, (T,); not finite where the network overflows.
        val_loss: The same on the validation split, or None.
        length: |d|, the length of one unit of t.
        ends: "networks" at t = 0 and 1, or a "direction" from the network at 0.
        examples: Number of examples of loss.
    """

    t: tuple[float, ...]
    loss: tuple[float, ...]
    val_loss: tuple[float, ...] | None
    length: float
    ends: str
    examples: int | None

    @property
    def barrier(self) -> float:
        """How far the loss rises above the straight line between its values at t = 0 and t = 1, at most; ≥ 0.

        Zero: the two are linearly connected (Frankle et al. 2020, section 2).
        """
        t, loss = np.array(self.t), np.array(self.loss)
        inside = (t >= 0) & (t <= 1)
        ends = np.interp([0, 1], t, loss)
        return float(max(0.0, np.max(loss[inside] - (ends[0] + t[inside] * (ends[1] - ends[0])))))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, null where a loss is not finite."""
        plain = asdict(self)
        for name in ("loss", "val_loss"):
            if plain[name] is not None:
                plain[name] = [value if np.isfinite(value) else None for value in plain[name]]
        return plain | {"t": list(self.t)}

    def picture(self) -> str:
        parts = {"training": self.loss, "validation": self.val_loss or ()}
        return curves({name: list(zip(self.t, loss, strict=False)) for name, loss in parts.items()}, "t", "loss")

    def save(self, path: str | Path) -> Path:
        """Write the numbers as JSON, or a picture where the path ends in .png or .svg, or a page with it (.html).

        Args:
            path: The file to write.

        Returns:
            The path.

        Raises:
            OutputError: The file cannot be written.
            MissingExtraError: A picture or page is asked for, and matplotlib or jinja2 is not installed.
        """
        caption = caption_of("line", np.array(self.loss), self.examples)
        return save(path, self.to_dict(), lambda: draw_line(self), caption)


def loss_line(
    network: Subject,
    data: Examples | None = None,
    *,
    to: Network | HostArray | None = None,
    direction: HostArray | None = None,
    span: tuple[float, float] | None = None,
    points: int = 41,
    seed: Seed = 0,
    **options: Any,
) -> LossLine:
    """Evaluate the loss along a line: from one network to another, or away from one.

    Where the data have a validation split, its loss is evaluated too. Takes one forward pass over all examples a point.

    Args:
        network: A network with weights, or an ``Objective``.
        data: As for ``Objective``; None with an ``Objective``.
        to: The network at t = 1, or its parameters (P,): w(t) = (1 − t) w + t w′, t from −½ to 1½ (Goodfellow et al.
            2015). Running statistics of BatchNorm are mixed like the weights, and beyond the ends they stay as they are
            there.
        direction: d of w(t) = w + t d, (P,), t from −1 to 1; by default a random one, filter-normalised (Li et al.
            2018).
        span: Another range of t.
        points: Number of places.
        seed: Seed of the random direction.
        **options: Further options of ``Objective``.

    Returns:
        The line.

    Raises:
        ArgumentError: The direction is zero or the range empty; and what ``Objective`` raises.
        ShapeError: A network or the direction has another layout.
    """
    smooth = as_smooth(network, data, seed=seed, **options)
    if to is not None and direction is not None:
        raise ArgumentError("direction", expected="left out with to", got="both", fix="choose one of them")
    if to is not None:
        (w, there), statistics = points_of(smooth, [to])
        d = require_direction(smooth, there - w, "to - network")
    else:
        w, statistics = smooth.start, []
        rng = generator(seed)
        d = random_direction(smooth, rng) if direction is None else require_direction(smooth, direction, "direction")
    t = places(span or ((-0.5, 1.5) if to is not None else (-1.0, 1.0)), points)
    held = _validation(smooth, data, options)

    def along(function: Smooth) -> tuple[float, ...]:
        losses = []
        for each in t:
            if statistics:
                hold_mixture(function, np.array([1 - each, each]), statistics)
            losses.append(function.value(w + each * d))
        return tuple(losses)

    return LossLine(
        t=tuple(t.tolist()),
        loss=along(smooth),
        val_loss=None if held is None else along(held),
        length=float(np.linalg.norm(d)),
        ends="direction" if to is None else "networks",
        examples=examples_of(smooth),
    )


def places(span: tuple[float, float], points: int) -> HostArray:
    """Return so many places from one end of the span to the other, 0 among them exactly if it is that near."""
    expected, example = "two numbers, the smaller first", "for example (-1, 1)"
    ends = as_items(span, "span", expected, example)
    if len(ends) != 2:
        raise ArgumentError("span", expected=expected, got=repr(span), fix=example)
    low, high = (number("span", end, expected, example) for end in ends)
    if not (np.isfinite([low, high]).all() and low < high):
        raise ArgumentError("span", expected=expected, got=span, fix=example)
    if positive(points, "points") < 2:
        raise ArgumentError("points", expected="at least 2", got=points, fix="use 41, for example")
    at = np.linspace(low, high, points)
    at[np.abs(at) < 1e-12 * (high - low)] = 0.0
    return at


def _validation(smooth: Smooth, data: Any, options: dict[str, Any]) -> Objective | None:
    if isinstance(smooth, Objective) and isinstance(data, Dataset) and data.validation and "split" not in options:
        mine = {name: value for name, value in options.items() if name != "examples"}
        return Objective(smooth.network, data, split="validation", **mine)
    return None
