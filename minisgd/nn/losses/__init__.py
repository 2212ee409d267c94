"""Losses: a file for each family, and a row in this table."""

from __future__ import annotations

from minisgd.nn.losses.cross_entropy import BinaryCrossEntropy, SoftmaxCrossEntropy
from minisgd.nn.losses.loss import Loss
from minisgd.nn.losses.regression import L1, Huber, MeanSquaredError
from minisgd.nn.losses.token_cross_entropy import TokenCrossEntropy

LOSSES: dict[str, type[Loss]] = {
    "cross-entropy": SoftmaxCrossEntropy,
    "token-cross-entropy": TokenCrossEntropy,
    "binary-cross-entropy": BinaryCrossEntropy,
    "mse": MeanSquaredError,
    "l1": L1,
    "huber": Huber,
}
"""Every loss by its name on the command line."""
