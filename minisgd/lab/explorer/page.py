"""The page: numbers of the engine, and a script that descends them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minisgd.data import Dataset
from minisgd.errors import ArgumentError
from minisgd.files import write_atomically
from minisgd.lab.explorer.surfaces import Line, Plane
from minisgd.lab.instruments import Objective
from minisgd.lab.page import render
from minisgd.nn import Network
from minisgd.typing import Seed


@dataclass(frozen=True)
class Explorer:
    """Surfaces on which a reader descends with a batch size, learning rate and momentum of their choice.

    Attributes:
        surfaces: Name and surface: a line through points, and a plane through a network's weights where one was given.
    """

    surfaces: dict[str, Line | Plane]

    def __repr__(self) -> str:
        return f"Explorer: {', '.join(self.surfaces)}"

    def to_html(self) -> str:
        """Return the page, which needs no network and allows no script but its own.

        Raises:
            MissingExtraError: jinja2 is not installed.
        """
        numbers = json.dumps({name: surface.to_dict() for name, surface in self.surfaces.items()})
        here = __package__ or ""
        return render(here, [(here, name) for name in SCRIPTS], names=list(self.surfaces), numbers=numbers)

    def save(self, path: str | Path) -> Path:
        """Write the page.

        Args:
            path: The file to write.

        Returns:
            The path.

        Raises:
            OutputError: The file cannot be written.
            MissingExtraError: jinja2 is not installed.
        """
        return write_atomically(path, self.to_html().encode())


SCRIPTS = ("descent.js", "explorer.js")
"""The formulas, which a test holds against the engine; and the page around them."""


def explore(
    network: Network | None = None, data: Dataset | tuple[Any, Any] | None = None, *, seed: Seed = 0, **options: Any
) -> Explorer:
    """Prepare a page on which gradient descent is run live: on a line through points, and around a network.

    On the line, f(w) = 1/N Σ (w·x_i − y_i)² has two weights, and every step of the page is a step of the engine. On the
    plane, loss and gradient were computed by the engine at 41 × 41 places around the network's weights, in two random
    filter-normalised directions (Li et al. 2018, section 4); the page interpolates between them.

    Args:
        network: A network with weights, or None for the line alone.
        data: A data set, or (x, y); given with a network.
        seed: Of the points, the directions, and the examples that the noise is measured on.
        **options: Further options of ``Objective``.

    Returns:
        The page, to be saved.

    Raises:
        ArgumentError: Only one of network and data is given; the network has no weights, or only zeros; and what
            ``Objective`` raises.
    """
    if (network is None) != (data is None):
        missing, given = ("data", "network") if data is None else ("network", "data")
        raise ArgumentError(missing, expected=f"given with {given}", got="None", fix="pass both, or neither")
    surfaces: dict[str, Line | Plane] = {"a line through points": Line.draw(seed)}
    if network is not None and data is not None:
        surfaces["a plane through a network"] = Plane.around(Objective(network, data, seed=seed, **options), seed)
    return Explorer(surfaces)
