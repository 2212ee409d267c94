"""What may be done between the steps and the evaluations of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isnan
from typing import Any

from minisgd.checks import as_items, is_word, positive, require_kind
from minisgd.errors import ArgumentError
from minisgd.training.history import Record
from minisgd.training.metrics import Mode
from minisgd.training.state import TrainingState
from minisgd.typing import Array, HostArray


class Callback:
    """Act between the steps of a training run. Subclass it and override what is needed.

    Every method is given the ``TrainingState``: session, network, history and data. Where ``on_gradient`` and
    ``on_step`` need only be called when so many updates are done that ``step_interval`` divides them, set it: in
    between, updates follow one another without Python. They may be called at other updates, too.
    """

    step_interval: int = 1

    @property
    def has_stopped(self) -> bool:
        """Whether it has ended the training run that is resumed, which then does not go on."""
        return False

    def on_start(self, training: TrainingState) -> None:
        """Act before the first step.

        Args:
            training: The training run.
        """

    def on_gradient(self, training: TrainingState, index: HostArray, gradient: Array) -> None:
        """Look at a step when its gradient is there and no weight has moved yet; write to nothing.

        Args:
            training: The training run.
            index: (1, b) the examples that made the batch.
            gradient: (P,) gradient of their mean loss, on the device.
        """

    def on_step(self, training: TrainingState) -> None:
        """Act after every update.

        Args:
            training: The training run.
        """

    def on_evaluation(self, training: TrainingState, record: Record) -> bool:
        """Act after an evaluation.

        Args:
            training: The training run.
            record: What was measured.

        Returns:
            True to end the training run.
        """
        return False

    def on_end(self, training: TrainingState) -> None:
        """Act after the last step.

        Args:
            training: The training run.
        """

    def state(self) -> Mapping[str, Any]:
        """Return what a resumed training run needs of this callback.

        Returns:
            Numbers, text, lists, dictionaries and host arrays; nothing by default.
        """
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned; called after ``on_start`` when a training run is resumed.

        Args:
            state: What ``state`` returned; tuples have become lists.
        """


def acts_on_steps(callback: Callback) -> bool:
    """Tell whether a callback has to be asked between steps, so that a device cannot run ahead of the host."""
    kind = type(callback)
    return kind.on_step is not Callback.on_step or kind.on_gradient is not Callback.on_gradient


class _MetricCallback(Callback):
    """Follow a recorded metric, and tell whether it has improved."""

    def __init__(self, metric: str, mode: Mode | None, min_delta: float = 0.0) -> None:
        if not is_word(mode, ("min", "max", None)):
            raise ArgumentError("mode", expected="'min', 'max' or None", got=repr(mode), fix="'max' if more is better")
        if not isinstance(metric, str) or not metric:
            fix = "for example 'val_loss'"
            raise ArgumentError("metric", expected="the name of what is recorded", got=repr(metric), fix=fix)
        self.metric, self.mode, self.min_delta = metric, mode, min_delta

    def on_start(self, training: TrainingState) -> None:
        self._sign = -1.0 if _direction(self.metric, self.mode, training) == "max" else 1.0
        self._best = inf

    def _improved(self, record: Record) -> bool:
        value = record[self.metric]
        assert value is not None, "what is recorded at all is measured in every evaluation"
        signed = self._sign * value
        if isnan(signed) or signed > self._best - self.min_delta:
            return False
        self._best = signed
        return True


def _direction(metric: str, mode: Mode | None, training: TrainingState) -> Mode:
    """Return whether a recorded metric should fall or rise; refuse one that is not recorded or does not say."""
    validated = training.evaluator is not None
    recorded: dict[str, Mode | None] = {"train_loss": "min"}
    if validated:
        recorded["val_loss"] = "min"
        if training.session.recipe.loss.has_hits:
            recorded["val_accuracy"] = "max"
        recorded |= {f"val_{name}": each.mode for name, each in training.metrics.items()}
    if metric not in recorded:
        fix = f"choose among {', '.join(recorded)}"
        if not validated and metric.startswith("val_"):
            fix = "hold out a validation split (validation=0.2), or use metric='train_loss'"
        raise ArgumentError("metric", expected="one that the training run records", got=repr(metric), fix=fix)
    known = recorded[metric]
    if mode is None and known is None:
        raise ArgumentError(
            "mode",
            expected=f"given for {metric!r}, whose direction is not known",
            got=None,
            fix="pass mode='max' if more is better, else mode='min'",
        )
    if mode is not None and known is not None and mode != known:
        raise ArgumentError("mode", expected=f"{known!r} for {metric!r}", got=repr(mode), fix="leave it out")
    return mode or known or "min"


class EarlyStopping(_MetricCallback):
    """End the training run when a metric has not improved for ``patience`` evaluations.

    Args:
        patience: Evaluations without an improvement after which the training run ends.
        metric: A name in the records, such as "val_loss" or "val_r2".
        mode: "max" if more is better, "min" if less is; known for losses, accuracy and metrics that have a name.
        min_delta: The least change that counts as an improvement.

    Raises:
        ArgumentError: If patience is not a positive integer; before the first step, for a metric that is not recorded,
            or whose direction is not known.
    """

    def __init__(
        self, patience: int = 5, *, metric: str = "val_loss", mode: Mode | None = None, min_delta: float = 0.0
    ) -> None:
        super().__init__(metric, mode, min_delta)
        self.patience = positive(patience, "patience")

    def on_start(self, training: TrainingState) -> None:
        super().on_start(training)
        self._waited = 0

    def on_evaluation(self, training: TrainingState, record: Record) -> bool:
        self._waited = 0 if self._improved(record) else self._waited + 1
        return self.has_stopped

    @property
    def has_stopped(self) -> bool:
        return self._waited >= self.patience

    def state(self) -> Mapping[str, Any]:
        return {"best": self._best, "waited": self._waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._best, self._waited = state["best"], state["waited"]


class BestWeights(_MetricCallback):
    """Put back the weights of the best evaluation when the training run ends.

    Args:
        metric: A name in the records, such as "val_loss" or "val_r2".
        mode: "max" if more is better, "min" if less is; known for losses, accuracy and metrics that have a name.

    Raises:
        ArgumentError: Before the first step, for a metric that is not recorded, or whose direction is not known.
    """

    def __init__(self, *, metric: str = "val_loss", mode: Mode | None = None) -> None:
        super().__init__(metric, mode)

    def on_start(self, training: TrainingState) -> None:
        super().on_start(training)
        self._saved: tuple[HostArray, HostArray] | None = None

    def on_evaluation(self, training: TrainingState, record: Record) -> bool:
        if self._improved(record):
            net = training.session.network
            self._saved = net.ops.to_host(net.vector), net.ops.to_host(net.statistics)
        return False

    def state(self) -> Mapping[str, Any]:
        return {"best": self._best, "saved": self._saved}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._best = state["best"]
        self._saved = None if state["saved"] is None else tuple(state["saved"])

    def on_end(self, training: TrainingState) -> None:
        if self._saved is not None:
            net = training.session.network
            net.ops.upload(self._saved[0], out=net.vector)
            net.ops.upload(self._saved[1], out=net.statistics)


def require_callbacks(callbacks: Any) -> None:
    """Refuse what is no list of callbacks."""
    for callback in as_items(callbacks, "callbacks", "a list of callbacks", "write callbacks=[ms.EarlyStopping()]"):
        require_kind(callback, Callback, "callbacks", "a list of callbacks", "write callbacks=[ms.EarlyStopping()]")
