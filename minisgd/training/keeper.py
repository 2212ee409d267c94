"""Keep a training run on disk while it goes, and go on with one that was kept."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

from minisgd.checks import as_path, is_number
from minisgd.errors import ArgumentError, CheckpointError, OutputError
from minisgd.packing import pack
from minisgd.training.callbacks import Callback
from minisgd.training.checkpoint import CheckpointFolder
from minisgd.training.identity import identity, require_horizon, require_same
from minisgd.training.state import TrainingState
from minisgd.version import __version__

SECONDS = 60.0
"""Time between checkpoints where no interval is given."""

PathLike: TypeAlias = str | Path


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; the training run goes on, and the next one is tried."""


class Keeper:
    """Writes the checkpoints of a training run, and puts one back. Without a folder it does nothing.

    checkpoint: where to write, by default to where ``resume`` is   every: epochs between checkpoints, by default
    about a minute   resume: a folder with checkpoints   settings: what decides the bits, by argument
    writes: whether this process does, or only reads what another has written
    """

    def __init__(
        self,
        training: TrainingState,
        callbacks: Sequence[Callback],
        checkpoint: PathLike | None,
        every: float | None,
        resume: PathLike | None,
        settings: dict[str, Any],
        writes: bool = True,
    ) -> None:
        self.training, self.callbacks, self.every = training, callbacks, every
        if every is not None:
            _check_interval(every, checkpoint if checkpoint is not None else resume)
        self._resumed = None if resume is None else CheckpointFolder(as_path(resume, "resume", "folder"), "resume")
        self._folder = self._resumed
        if checkpoint is not None:
            self._folder = CheckpointFolder(as_path(checkpoint, "checkpoint", "folder"), "checkpoint")
        self._due, self._written = every or 0.0, perf_counter()
        if not writes:
            self._folder = None
        if self._folder is None and self._resumed is None:
            return
        self._identity = identity(training.session, training.data, settings)
        self._horizon = {"epochs": training.session.total_epochs, "steps": training.session.total_steps}

    def start(self) -> None:
        """Put back what was kept, where the training run is resumed; make sure that it can be kept.

        Raises:
            CheckpointError: If there is nothing to resume, or something else.
            OutputError: If checkpoints cannot be written.
            DtypeError: If a callback has state that a checkpoint cannot hold.
        """
        if self._resumed is not None:
            self._restore(self._resumed)
        if self._folder is not None:
            pack([callback.state() for callback in self.callbacks], {}, "state of the callbacks")
            self._folder.open_for_writing()

    @property
    def is_due(self) -> bool:
        """True when the next checkpoint is to be written."""
        if self._folder is None:
            return False
        if self.every is not None:
            return self.training.session.epochs >= self._due
        return perf_counter() - self._written >= SECONDS

    def save(self) -> None:
        """Write a checkpoint; warn if it cannot be written."""
        if self._folder is None:
            return
        session = self.training.session
        if self.every is not None:
            self._due = (session.epochs // self.every + 1) * self.every
        try:
            self._folder.write(session.steps, self._state())
        except OutputError as error:
            text = f"the checkpoint of step {session.steps} was not written: {error}; the training run goes on"
            warnings.warn(text, CheckpointWarning, stacklevel=3)
        self._written = perf_counter()

    def close(self) -> None:
        """Let another process have the folder."""
        if self._folder is not None:
            self._folder.close()

    def _state(self) -> dict[str, Any]:
        return {
            "identity": self._identity,
            "horizon": self._horizon,
            "versions": {"minisgd": __version__, "numpy": np.__version__},
            "session": self.training.session.state(),
            "training": self.training.state(),
            "callbacks": [callback.state() for callback in self.callbacks],
        }

    def _restore(self, folder: CheckpointFolder) -> None:
        state, session = folder.read(), self.training.session
        try:
            require_same(state["identity"], self._identity, folder.argument)
            schedules = session.recipe.optimizer.schedule, session.batch_size
            require_horizon(state["horizon"], self._horizon, *schedules, folder.argument)
            session.restore(state["session"])
            self.training.restore(state["training"])
            for callback, own in zip(self.callbacks, state["callbacks"], strict=True):
                callback.restore(own)
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                folder.argument, expected="a checkpoint as minisgd writes it", got=repr(error), fix="start anew"
            ) from error
        if self.every is not None:
            self._due = (session.epochs // self.every + 1) * self.every


def _check_interval(every: Any, folder: PathLike | None) -> None:
    if not is_number(every) or not isfinite(every) or every <= 0:
        raise ArgumentError(
            "checkpoint_every", expected="a positive number of epochs", got=every, fix="use 1, for example"
        )
    if folder is None:
        raise ArgumentError(
            "checkpoint_every",
            expected="left out without a folder for checkpoints",
            got=every,
            fix="pass checkpoint='runs/a' as well",
        )
