"""The path of a training run through parameter space, sampled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisgd.checks import positive
from minisgd.errors import ArgumentError
from minisgd.training.callbacks import Callback
from minisgd.training.state import TrainingState
from minisgd.typing import HostArray


class Trajectory(Callback):
    """Record the weights of a training run: before the first step, and after every ``every``-th.

    A sample costs one copy of the P weights, in time and in memory; the training run is not affected.

    >>> path = Trajectory(every=10)
    >>> run = train(net, data, callbacks=[path])
    >>> loss_plane(run.network, data, directions=path.principal_directions(), path=path.weights).save("path.png")

    Args:
        every: Steps from one sample to the next.

    Raises:
        ArgumentError: ``every`` is not a positive integer.
    """

    def __init__(self, every: int = 10) -> None:
        self.every = self.step_interval = positive(every, "every")
        self._steps: list[int] = []
        self._weights: list[HostArray] = []

    def on_start(self, training: TrainingState) -> None:
        self._steps, self._weights = [], []
        self._sample(training)

    def on_step(self, training: TrainingState) -> None:
        if training.session.steps % self.every == 0:
            self._sample(training)

    def on_end(self, training: TrainingState) -> None:
        if self._steps[-1] != training.session.steps:
            self._sample(training)

    def state(self) -> Mapping[str, Any]:
        return {"steps": self._steps, "weights": self._weights}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._steps, self._weights = state["steps"], state["weights"]

    def _sample(self, training: TrainingState) -> None:
        network = training.network
        self._steps.append(training.session.steps)
        self._weights.append(network.ops.to_host(network.vector).reshape(-1).astype(np.float64))

    @property
    def steps(self) -> HostArray:
        """Updates done at each sample, (K,)."""
        return np.array(self._steps)

    @property
    def weights(self) -> HostArray:
        """The samples, (K, P)."""
        return np.stack(self._weights) if self._weights else np.zeros((0, 0))

    def principal_directions(self) -> tuple[HostArray, HostArray]:
        """Return the two directions along which the path, seen from its end, varies most.

        They are the leading right singular vectors of w_k − w_K  (Li et al. 2018, section 7).

        Returns:
            Two orthogonal unit vectors, each (P,).

        Raises:
            ArgumentError: The path has fewer than three samples, and so no two directions.
        """
        if len(self._weights) < 3:
            fix = "train on, or sample more"
            raise ArgumentError("Trajectory: path", expected="at least 3 samples", got=len(self._weights), fix=fix)
        moved = self.weights - self._weights[-1]
        # eigenvectors of the small (K, K) matrix give those of the large one
        _, vectors = np.linalg.eigh(moved @ moved.T)
        first, second = (moved.T @ vectors[:, -k] for k in (1, 2))
        second = second - (second @ first) / (first @ first) * first
        return first / np.linalg.norm(first), second / np.linalg.norm(second)
