"""Notice a network that does not learn: dead, constant, or far from where it can learn; and say the likely cause.

Before that, notice one that ends with what its loss applies itself, and so learns slowly, and images in another order.
"""

from __future__ import annotations

import warnings

import numpy as np

from minisgd.nn import Conv2d, Layer, Sequential, Sigmoid, Softmax
from minisgd.training.history import Record
from minisgd.training.scoring import scaled
from minisgd.training.state import TrainingState

BARELY = 0.98
"""A training loss of more than this share of that of the best constant answer has learned next to nothing."""
AFTER_EPOCHS, AFTER_STEPS = 2.0, 50
"""Before, nothing is said."""
STILL = 3
"""Evaluations over which a training loss that hardly moves is taken for one that will not."""
PROBED = 256
"""Training examples on which the outputs are looked at."""
WIDE = 10.0
"""Features whose largest value is beyond this are taken for unscaled."""


COLOURS = (1, 3, 4)
"""Channels that images have: grey, red green blue, and with transparency."""

APPLIED: dict[str, type[Layer]] = {
    "SoftmaxCrossEntropy": Softmax,
    "TokenCrossEntropy": Softmax,
    "BinaryCrossEntropy": Sigmoid,
}
"""What losses apply to the outputs of the network, which they take for logits."""


class TrainingWarning(UserWarning):
    """A training run goes on, but something is wrong with it."""


def watch_outputs(training: TrainingState) -> None:
    """Warn if the network ends with what its loss applies to its outputs, which so is applied twice."""
    last: Layer = training.network
    while isinstance(last, Sequential):
        last = last.layers[-1]
    loss = type(training.session.recipe.loss).__name__
    if isinstance(last, APPLIED.get(loss, ())):
        name = type(last).__name__
        text = f"the network ends with {name}, and {loss} takes logits, to which it applies {name} itself: twice, it "
        _warn(training, f"{text}slows learning; leave out the last layer, predict_proba gives probabilities without it")


def watch_channels(training: TrainingState) -> None:
    """Warn if a network with convolutions sees images whose channels stand first, as PyTorch has them."""
    shape = training.data.input_shape
    if len(shape) != 3 or shape[0] not in COLOURS or min(shape[1:]) <= max(COLOURS):
        return
    if any(isinstance(layer, Conv2d) for layer in training.network.walk()):
        text = f"images of shape {shape} seem to have their channels first, and convolutions take (H, W, C): "
        _warn(training, f"{text}pass x.transpose(0, 2, 3, 1)")


def watch_health(training: TrainingState, record: Record, *, last: bool) -> None:
    """Warn once if the network has stopped learning before it learned anything, and note it in the training run."""
    session, loss = training.session, record["train_loss"]
    assert loss is not None
    if training.warnings or session.epochs < AFTER_EPOCHS or session.steps < AFTER_STEPS:
        return
    constant = constant_loss(training)
    if constant is None or loss < BARELY * constant or not (last or _is_flat(training, constant)):
        return
    _warn(training, diagnosis(training, loss, constant))


def _warn(training: TrainingState, text: str) -> None:
    training.warnings.append(text)
    warnings.warn(text, TrainingWarning, stacklevel=5)


def _is_flat(training: TrainingState, constant: float) -> bool:
    """Tell whether the training loss has hardly moved over the last evaluations."""
    losses = training.history["train_loss"][-STILL:]
    return len(losses) == STILL and max(losses) - min(losses) < (1 - BARELY) * constant


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
    """Say what the outputs show, and the likely cause."""
    few = training.data.train.take(slice(0, PROBED))
    outputs = training.network.predict(scaled(few.x, training.data.scale)).reshape(len(few), -1)  # (n, O)
    said = f"after {training.session.epochs:.3g} epochs the training loss is {loss:.4g}"
    said += f", no better than {constant:.4g} for one answer to all examples"
    if np.ptp(outputs, axis=0).max() <= 1e-4 * max(float(np.abs(outputs).max()), 1e-6):
        return f"{said}: the network gives the same output for every example; {cure(training)}"
    return f"{said}: nothing was learned yet; {cure(training)}"


def cure(training: TrainingState) -> str:
    """Return what is most likely to help: scaled features, scaled targets, or another learning rate."""
    lr = training.session.lr
    another = f"try another learning rate than {lr:g}, a tenth or ten times as much, or more epochs"
    return unscaled(training) or another


def unscaled(training: TrainingState) -> str:
    """Say that features or targets are not scaled, and how to scale them; nothing where they are."""
    few = training.data.train.take(slice(0, PROBED))
    largest = float(np.abs(few.x.astype(np.float64)).max()) * training.data.scale
    if largest > WIDE:
        return f"features reach {largest:.4g}: standardize them with data.standardized() or standardize=True"
    target = float(np.abs(few.y).max()) if few.y.dtype.kind == "f" else 0.0
    if target > WIDE:
        return f"targets reach {target:.4g}: standardize them with standardize_target=True"
    return ""
