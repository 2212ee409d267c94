"""The classifier: classes of any kind, or several labels an example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets, type_of_target

from minisgd.data.labels import Classes
from minisgd.data.target import Task
from minisgd.errors import ArgumentError, DataError
from minisgd.estimators.base import MinisgdEstimator
from minisgd.typing import HostArray


@dataclass(eq=False, repr=False)
class MinisgdClassifier(ClassifierMixin, MinisgdEstimator):  # type: ignore[misc]
    """Classify with a network, as scikit-learn's ``MLPClassifier`` does, with its arguments and those of ``ms.train``.

    Minimises softmax cross-entropy, or binary cross-entropy for indicators (N, O) of several labels. float32 features
    train in float32, all others in float64.

    Args:
        hidden_layer_sizes: Widths of the hidden layers.
        activation: "relu", "tanh", "logistic" or "identity", after every hidden layer.
        layers: Hidden layers of your own instead, such as [ms.Linear(64), ms.BatchNorm(), ms.ReLU()], before a dense
            layer that is added; or a whole ms.Network.
        loss: A loss of your own.
        solver: "adam", "sgd", or an optimizer with its learning rate, such as ms.LAMB(lr=0.01).
        alpha: Weight decay, which is divided by the batch size; biases decay too.
        batch_size: "auto" is min(200, N); or an integer, "full", or a schedule such as ms.GrowBatch.
        learning_rate: "constant", "invscaling" or "adaptive"; for "sgd".
        learning_rate_init: The first learning rate, or a schedule such as ms.Cosine(0.1).
        power_t: Exponent of "invscaling".
        max_iter: Most epochs.
        shuffle: Whether to shuffle in every epoch.
        random_state: Seed of weights, shuffling, dropout and what is held out.
        tol: What an epoch has to gain.
        verbose: Whether to print a line an epoch.
        warm_start: Whether ``fit`` goes on from the weights of the last one.
        momentum: Of "sgd".
        nesterovs_momentum: Whether it is Nesterov's.
        early_stopping: Whether to hold examples out, end by the score on them, and keep the weights of the best one.
            ``partial_fit`` holds out the same share of every call's examples.
        validation_fraction: The share held out.
        beta_1: Of "adam".
        beta_2: Of "adam".
        epsilon: Of "adam".
        n_iter_no_change: Epochs in a row that may gain less than tol.
        callbacks: What to do between steps and evaluations.
        device: "cpu", "cuda" or "auto".
        threads: BLAS threads.
        class_weight: "balanced", or weights by class; these multiply those of the examples.

    Raises:
        ArgumentError: In ``fit``, for an argument out of range.
        DataError: In ``fit``, for data that cannot be learned from.
    """

    class_weight: Mapping[Any, float] | str | None = None

    metric = "val_accuracy"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on all examples until the loss, or with early stopping the score, no longer improves.

        Args:
            X: (N, F) features: an array, a data frame, or a sparse matrix.
            y: (N,) classes of any kind, or (N, O) indicators.
            sample_weight: (N,) weights of the examples; 0 leaves one out.

        Returns:
            The estimator itself.
        """
        return self._fit(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch on these examples, from where the last call ended, the optimizer's state included.

        Once early stopping has found no gain for too long, the best weights are put back, and later calls change
        nothing.

        Args:
            X: (N, F) features.
            y: (N,) classes, or (N, O) indicators.
            sample_weight: (N,) weights of the examples.
            classes: All classes; needed in the first call.

        Returns:
            The estimator itself.
        """
        if self.class_weight == "balanced":
            raise ArgumentError(
                "class_weight",
                expected="weights by class in partial_fit",
                got="'balanced'",
                fix="write {class: weight}",
            )
        self._first(y, classes)
        return self._fit(X, y, sample_weight, partial=True)

    def predict(self, X: Any) -> HostArray:
        """Return the likeliest classes.

        Args:
            X: (N, F) features.

        Returns:
            (N,) classes, or (N, O) indicators.
        """
        model, logits = self._answers(X)
        codes = model.codes(logits)
        chosen: HostArray = codes if self._several else self.classes_[codes]
        return chosen

    def predict_proba(self, X: Any) -> HostArray:
        """Return the probabilities of the classes, or of the labels.

        Args:
            X: (N, F) features.

        Returns:
            (N, C) in the order of ``classes_``, or (N, O).
        """
        model, logits = self._answers(X)
        return model.probabilities(logits)

    def predict_log_proba(self, X: Any) -> HostArray:
        """Return the logarithms of the probabilities.

        Args:
            X: (N, F) features.

        Returns:
            (N, C), or (N, O).
        """
        with np.errstate(divide="ignore"):
            logarithm: HostArray = np.log(self.predict_proba(X))
        return logarithm

    # ------------------------------------------------ what the base class asks

    def _first(self, y: Any, classes: Any) -> None:
        """Note the classes of the first call, which need not all be in it."""
        self._several = type_of_target(y) == "multilabel-indicator"
        if not self._several:
            _check_partial_fit_first_call(self, classes)

    def _targets(self, y: HostArray, again: bool, partial: bool) -> HostArray:
        check_classification_targets(y)
        several = type_of_target(y) == "multilabel-indicator"
        if y.ndim == 2 and not several:
            raise DataError("y", expected="classes (N,) or indicators (N, O)", got="several columns of classes",
                            fix="fit one classifier a column: sklearn.multioutput.MultiOutputClassifier")  # fmt: skip
        found = np.arange(y.shape[1]) if several else np.unique(y)
        if not (again or partial) or several and not again:
            self.classes_, self._several = found, several
        strange = np.setdiff1d(found, self.classes_)
        if len(strange) or several != self._several:
            raise DataError(
                "y",
                expected=f"of the classes {self.classes_}",
                got=", ".join(map(str, strange)),
                fix="fit again from the start",
            )
        if len(self.classes_) < 2 and not several:
            raise DataError("y", expected="of at least two classes", got=f"one class, {found[0]}", fix="add examples")
        return y if several else np.searchsorted(self.classes_, y)

    def _task(self) -> tuple[Task, Classes | None, int]:
        names = tuple(map(str, self.classes_))
        return "multilabel" if self._several else "classification", names, len(names)

    def _weights(self, y: HostArray, weight: HostArray | None) -> HostArray | None:
        if self.class_weight is None:
            return weight
        own: HostArray = compute_sample_weight(self.class_weight, y)
        return own if weight is None else own * weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
