"""Notice a network that does not learn: dead, constant, or far from where it can learn; and say the likely cause."""

from __future__ import annotations

import warnings

import numpy as np

from minisgd.data import Split
from minisgd.nn import Network
from minisgd.training.history import Record
from minisgd.training.state import TrainingState
from minisgd.typing import HostArray

BARELY = 0.98
"""A training loss of more than this share of that of the best constant answer has learned next to nothing."""
AFTER_EPOCHS, AFTER_STEPS = 2.0, 50
"""Before, nothing is said."""
PROBED = 256
"""Training examples on which the outputs are looked at."""
WIDE = 10.0
"""Features whose largest value is beyond this are taken for unscaled."""


class TrainingWarning(UserWarning):
    """A training run goes on, but something is wrong with it."""


def watch_health(training: TrainingState, record: Record) -> None:
    """Warn once if the network has learned nothing by now, and note it in the training run."""
    loss = record["train_loss"]
    assert loss is not None
    session = training.session
    if training.warnings or session.epochs < AFTER_EPOCHS or session.steps < AFTER_STEPS:
        return
    constant = constant_loss(training)
    if constant is None or loss < BARELY * constant:
        return
    text = diagnosis(training, loss, constant)
    if text:
        training.warnings.append(text)
        warnings.warn(text, TrainingWarning, stacklevel=4)


def constant_loss(training: TrainingState) -> float | None:
    """Return the training loss of the best answer that is the same for every example; None where it is not known."""
    kind, split = type(training.session.recipe.loss).__name__, training.data.train
    weight = np.ones(len(split)) if split.weight is None else split.weight.astype(np.float64)
    if kind == "SoftmaxCrossEntropy" and split.y.ndim == 1:
        share = np.bincount(split.y, weight) / weight.sum()
        share = share[share > 0]
        return float(-(share * np.log(share)).sum() * weight.mean())
    if kind == "MeanSquaredError":
        y = split.y.reshape(len(split), -1).astype(np.float64)
        mean = (weight[:, None] * y).sum(axis=0) / weight.sum()
        return float((weight[:, None] * (y - mean) ** 2).mean())
    return None


def diagnosis(training: TrainingState, loss: float, constant: float) -> str:
    """Say what is wrong, where the outputs show that something is: the same for all examples, or worse than that."""
    network, few = training.network, training.data.train.take(slice(0, PROBED))
    outputs = network.predict(_as_read(few, training.data.scale)).reshape(len(few), -1)  # (n, O)
    spread = float(np.ptp(outputs, axis=0).max())
    size = float(np.abs(outputs).max())
    said = f"after {training.session.epochs:.3g} epochs the training loss is {loss:.4g}"
    said += f", no better than {constant:.4g} for one answer to all examples"
    if spread <= 1e-4 * max(size, 1e-6):
        what = "the network gives the same output for every example"
    elif loss > 2 * constant:
        what = "the outputs are far off"
    else:
        return f"{said}: nothing was learned yet; {_cure(training, few, network)}"
    return f"{said}: {what}; {_cure(training, few, network)}"


def _cure(training: TrainingState, few: Split, network: Network) -> str:
    x = few.x.astype(np.float64) * training.data.scale
    largest = float(np.abs(x).max())
    if largest > WIDE:
        return f"features reach {largest:.4g}: standardize them (data.standardized(), standardize=True)"
    scale = float(np.abs(few.y).max()) if few.y.dtype.kind == "f" else 0.0
    if scale > WIDE:
        return f"targets reach {scale:.4g}: standardize them (standardize_target=True)"
    lr = training.session.lr
    return f"try another learning rate than {lr:g}, a tenth of it first, or BatchNorm before the activations"


def _as_read(split: Split, scale: float) -> HostArray:
    """Return examples as ``network.predict`` takes them."""
    return split.x if split.x.dtype == np.uint8 or scale == 1 else split.x * np.asarray(scale, split.x.dtype)
