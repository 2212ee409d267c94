"""Instruments: what a network's loss looks like around a point, and how much its gradients differ."""

from __future__ import annotations

from minisgd.lab.instruments.hessian import TraceEstimate, hessian_eigenvalues, hessian_vector, hutchinson_trace
from minisgd.lab.instruments.keskar import Keskar, keskar_sharpness
from minisgd.lab.instruments.objective import Objective
from minisgd.lab.instruments.sam import SAM, sam_sharpness
from minisgd.lab.instruments.sharpness import Sharpness, sharpness

__all__ = [
    "SAM",
    "Keskar",
    "Objective",
    "Sharpness",
    "TraceEstimate",
    "hessian_eigenvalues",
    "hessian_vector",
    "hutchinson_trace",
    "keskar_sharpness",
    "sam_sharpness",
    "sharpness",
]
