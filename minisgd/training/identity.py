"""What a training run is made of, as text: alike in a checkpoint and the run that goes on with it, and on all ranks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import get_annotations
from typing import Any

import numpy as np

from minisgd.data import Dataset
from minisgd.errors import CheckpointError
from minisgd.nn import Layer, Network
from minisgd.nn.sequential import clone
from minisgd.optim import BatchSizeSchedule, Progress
from minisgd.optim.learning_rate import LearningRateSchedule
from minisgd.training.digest import settings_of
from minisgd.training.distributed.communicator import Communicator
from minisgd.training.session import Session
from minisgd.version import __version__

BLOCK = 1 << 24
"""Bytes of the data that are digested at a time."""

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def identity(session: Session, data: Dataset, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return all that decides the bits of a training run besides its length, by the name of the argument."""
    recipe = session.recipe
    return {
        "data": data_text(data),
        "network": network_text(recipe.network),
        "loss": f"{as_text(recipe.loss)} {settings_of(clone(recipe.loss))}",
        "optimizer": in_full(recipe.optimizer, recipe.optimizer.describe()),
        "batch_size": in_full(session.batch_size),
        **({} if recipe.communicator is None else {"shards": str(recipe.communicator.shards)}),
        "micro_batch": str(recipe.micro_batch),
        "dtype": recipe.network.dtype,
        "device": recipe.network.ops.device,
        **{name: in_full(value) for name, value in settings.items()},
    }


def require_same(saved: Mapping[str, str], now: Mapping[str, str], where: str) -> None:
    """Refuse to go on with anything that differs from the checkpoint.

    Raises:
        CheckpointError: Names the first difference.
    """
    for name in {**now, **saved}:
        value = now.get(name)
        if saved.get(name) != value:
            raise CheckpointError(
                f"{where}: {name}",
                expected=f"{saved.get(name)}, as in the checkpoint",
                got=value,
                fix="resume with the arguments that the training run began with, or start a new one",
            )


def require_same_everywhere(ranks: Communicator, session: Session, data: Dataset, settings: Mapping[str, Any]) -> None:
    """Refuse ranks with other data, weights, arguments or versions, before the first step.

    Raises:
        ArgumentError: Names the first difference; on every rank.
    """
    more = {
        "epochs": session.total_epochs,
        "steps": session.total_steps,
        "version of minisgd": __version__,
        "version of NumPy": np.__version__,
        "weights": settings_of(session.ops.to_host(session.network.vector)),
    }
    ranks.require_same(identity(session, data, {**settings, **more}))


def require_horizon(
    saved: Mapping[str, Any], now: Mapping[str, Any], rate: LearningRateSchedule, size: BatchSizeSchedule, where: str
) -> None:
    """Refuse another length where a schedule has planned with the one before.

    Raises:
        CheckpointError: Names the length and the schedule.
    """
    for name in ("epochs", "steps"):
        for schedule in (rate, size):
            if saved.get(name) != now[name] and depends_on_horizon(schedule):
                raise CheckpointError(
                    f"{where}: {name}",
                    expected=f"{saved.get(name)}, as in the checkpoint, because {as_text(schedule)} spans the run",
                    got=now[name],
                    fix="resume with the same length, or start a new training run",
                )


def depends_on_horizon(schedule: Callable[[Progress], float]) -> bool:
    """Tell whether a schedule asks how much of the training run is done: whether its value changes with that alone."""
    for epoch in (0.5, 3.0, 20.0):
        progress = Progress(int(100 * epoch), epoch, 0.0, 2)
        values = {
            float(schedule(replace(progress, fraction=share))) for share in (0.0, 0.1, 0.35, 0.5, 0.75, 0.95, 1.0)
        }
        if len(values) > 1:
            return True
    return False


def as_text(value: Any) -> str:
    """Return how a value is written, without the address of its object."""
    return _ADDRESS.sub("", value if isinstance(value, str) else repr(value))


def in_full(value: Any, written: str = "") -> str:
    """Return how a value is written, with a digest where functions and the like are written as no more than a name."""
    written = written or (value if isinstance(value, str) else repr(value))
    return f"{as_text(written)} {settings_of(value)}" if _ADDRESS.search(written) else written


def network_text(network: Network) -> str:
    """Return how a network is written, with a digest of its parameters' names and shapes and its layers' settings."""
    tensors = [(s.name, s.shape) for layout in (network.layout, network.statistics_layout) for s in layout]
    settings = [settings_of(_unbound(layer)) for layer in network.layers]
    digest = hashlib.sha256(repr((network.input_shape, tensors, settings)).encode()).hexdigest()[:16]
    return f"{as_text(network)} {digest}"


def _unbound(layer: Layer) -> Layer:
    """Return a copy of a layer, and of those inside it, without what binding has set in them."""
    duplicate: Layer = clone(layer)
    for inner in duplicate.walk():
        for name in get_annotations(Layer).keys() - {"name"}:
            vars(inner).pop(name, None)
    return duplicate


def data_text(data: Dataset) -> str:
    """Return the name of a data set, and shape and digest of every array of its splits, so that a difference shows."""
    about = hashlib.sha256(repr((data.task, data.scale, data.classes)).encode())
    parts = [f"{data.name} {about.hexdigest()[:8]}"]
    for name, split in data.splits.items():
        for letter, array in (("x", split.x), ("y", split.y), ("weight", split.weight)):
            if array is not None:
                digest = hashlib.sha256(array.dtype.str.encode())
                _update(digest, array)
                parts.append(f"{name} {letter} {array.shape} {digest.hexdigest()[:16]}")
    return ", ".join(parts)


def _update(digest: Any, array: np.ndarray[Any, Any]) -> None:
    rows = max(1, BLOCK // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows]))
