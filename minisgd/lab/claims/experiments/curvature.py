"""How sharply the training loss is curved where a training run has come to: what the claims about minima measure."""

from __future__ import annotations

import math

from minisgd.errors import DivergedError
from minisgd.lab.instruments.curvature.hessian import extremes
from minisgd.lab.instruments.curvature.keskar import keskar_sharpness
from minisgd.lab.instruments.curvature.sam import sam_sharpness
from minisgd.lab.instruments.objective import Objective
from minisgd.lab.study.pilot import Pilot
from minisgd.lab.trial import Trial
from minisgd.nn import Network
from minisgd.typing import HostArray

EXAMPLES = 512
"""Training examples at most on which curvature is measured, always the same ones."""

TOLERANCE, PRODUCTS = 1e-2, 100
"""Residual of λmax, relative, whose error is about the square of it; Hessian-vector products at most."""

GRADIENTS = {"top": 40, "all": 120}
"""About what λmax alone takes, and all three measures."""

MEASURES = {"lambda_max": "λmax", "keskar": "Keskar's φ", "sam": "SAM's rise"}


def top_eigenvalue(network: Network, trial: Trial) -> float:
    """Return λmax of the Hessian of the training loss; not a number where the network has diverged."""
    try:
        return _top(_objective(network, trial))[0]
    except DivergedError:
        return math.nan


def sharpness_of(network: Network, trial: Trial) -> dict[str, float]:
    """Return λmax, Keskar's φ at ε = 1e-3 and SAM's rise at ρ = 0.05, by the names of MEASURES."""
    objective = _objective(network, trial)
    try:
        value, vector = _top(objective)
        keskar = keskar_sharpness(objective, directions=(vector,))
        sam = sam_sharpness(objective, top=vector)
    except DivergedError:
        return dict.fromkeys(MEASURES, math.nan)
    return {"lambda_max": value, "keskar": keskar.value, "sam": sam.value}


def seconds_of(measures: str, pilot: Pilot) -> float:
    """Estimate the seconds of one look, from those of the pilot's step: measures "top" or "all"."""
    return GRADIENTS[measures] * EXAMPLES / pilot.batch_size * pilot.replica_step_seconds


def _objective(network: Network, trial: Trial) -> Objective:
    return Objective(network, trial.data, loss=trial.loss, examples=min(EXAMPLES, len(trial.data)), seed=0)


def _top(objective: Objective) -> tuple[float, HostArray]:
    top = extremes(objective, objective.start, tolerance=TOLERANCE, products=PRODUCTS, ends=("top",)).top
    return top.value, top.vector
