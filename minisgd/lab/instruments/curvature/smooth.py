"""A smooth function of a vector, which is all that the instruments of curvature ask for."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np

from minisgd.checks import as_seed
from minisgd.data import Dataset, Split
from minisgd.errors import ArgumentError, DataError, DivergedError, DtypeError
from minisgd.lab.instruments.objective import Objective
from minisgd.lab.instruments.subject import as_vector
from minisgd.nn import Network
from minisgd.typing import HostArray, Seed

Examples: TypeAlias = Dataset | Split | tuple[Any, Any]


class Smooth(Protocol):
    """f: R^P → R with gradient and Hessian; an ``Objective``, or any object that has these."""

    @property
    def parameters(self) -> int:
        """P."""

    @property
    def start(self) -> HostArray:
        """The point to look at, (P,)."""

    def value(self, w: HostArray) -> float:
        """Return f(w)."""

    def value_and_gradient(self, w: HostArray) -> tuple[float, HostArray]:
        """Return f(w) and ∇f(w), (P,)."""

    def hessian_vector(self, w: HostArray, v: HostArray) -> HostArray:
        """Return H(w) v, (P,)."""


Subject: TypeAlias = Network | Smooth
"""A network, to which data belong; or the smooth function itself."""


def require_vector(smooth: Smooth, vector: Any, argument: str) -> HostArray:
    """Return a vector of R^P as float64, (P,), or refuse it."""
    fix = "for example other.vector - network.vector"
    return as_vector(vector, smooth.parameters, argument, fix).astype(np.float64)


def as_smooth(subject: Subject, data: Examples | None, *, seed: Seed = 0, **options: Any) -> Smooth:
    """Return the objective of a network on data, or the function that was given instead.

    Raises:
        DtypeError: The subject is neither a network nor a function.
        DataError: A network is given without data.
        ArgumentError: A function is given with options.
        DivergedError: Some weights are not finite.
    """
    as_seed(seed)
    if isinstance(subject, Network):
        if data is None:
            raise DataError("data", expected="given with a network", got=None, fix="pass a Dataset or (x, y)")
        objective = Objective(subject, data, seed=seed, **options)
        require_finite(objective.start, "the network's weights")
        return objective
    if data is not None or not all(hasattr(subject, name) for name in ("start", "value", "hessian_vector")):
        fix = "pass run.network and the data"
        raise DtypeError(
            "network", expected="an ms.Network and data, or an ms.Objective alone", got=type(subject).__name__, fix=fix
        )
    if options:
        raise ArgumentError(
            next(iter(options)),
            expected="left out with an objective, which has its own",
            got=next(iter(options.values())),
            fix="give it to ms.Objective(network, data, …)",
        )
    return subject


def examples_of(smooth: Smooth) -> int | None:
    """Return N, the examples that a function is the mean over; None where it has none."""
    return getattr(smooth, "examples", None)


def require_finite(array: HostArray | float, what: str) -> None:
    """Refuse numbers that say nothing."""
    if not np.isfinite(array).all():
        bad = np.size(array) - np.count_nonzero(np.isfinite(array))
        fix = "train with a lower learning rate, or scale the features"
        raise DivergedError(what, expected="finite", got=f"{bad} of {np.size(array)} values that are not", fix=fix)
