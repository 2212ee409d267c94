"""The study as a search object: batch size and learning rate of an estimator, by training at all of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from minisgd.data import Dataset
from minisgd.data.holdout import divided
from minisgd.data.target import Target
from minisgd.errors import DtypeError
from minisgd.estimators.base import LARGEST_AUTO, MinisgdEstimator
from minisgd.estimators.solver import build_optimizer
from minisgd.lab.study import study
from minisgd.optim import Optimizer
from minisgd.typing import HostArray


def _has(name: str) -> Any:
    return available_if(lambda search: hasattr(search.estimator, name))


@dataclass(eq=False, repr=False)
class BatchSizeSearch(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Choose the batch size and the learning rate of an estimator by ``ms.study``, then fit it with them.

    Where a grid search compares scores after the same epochs, the study compares seconds to the same score, each batch
    size at its best learning rate. After ``fit``: ``best_params_``, ``best_estimator_``, ``study_`` with the
    recommendation and its reason, and ``cv_results_`` with a row a batch size.

    Args:
        estimator: A MinisgdClassifier or MinisgdRegressor; its ``max_iter`` holds for the last fit only.
        batch_sizes: Integers and "full"; powers of four by default.
        learning_rates: A grid of your own; by default one that is extended until the best is inside.
        seeds: Training runs at every batch size and learning rate.
        target_accuracy: Validation accuracy to reach; found by a pilot by default.
        budget: Time for the study, such as "30s" or "5min".
        validation_fraction: The share of the examples on which the target is measured.
        refit: Whether to fit the estimator on all examples with what was found.
        random_state: Seed of the study.

    Raises:
        ArgumentError: In ``fit``, for an argument out of range; it warns where the study recommends nothing.
    """

    estimator: Any
    _: KW_ONLY
    batch_sizes: Sequence[int | str] | None = None
    learning_rates: Sequence[float] | None = None
    seeds: int = 3
    target_accuracy: float | None = None
    budget: float | str | None = "1min"
    validation_fraction: float = 0.2
    refit: bool = True
    random_state: Any = None

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Study, and fit the estimator with what was found.

        Args:
            X: (N, F) features.
            y: Targets, as the estimator takes them.
            sample_weight: (N,) weights of the examples.

        Returns:
            The search itself.
        """
        if not isinstance(self.estimator, MinisgdEstimator):
            got = type(self.estimator).__name__
            fix = "in a pipeline, put BatchSizeSearch(estimator) in its last place"
            raise DtypeError("estimator", expected="a MinisgdClassifier or MinisgdRegressor", got=got, fix=fix)
        model: Any = clone(self.estimator)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        split = model._split(X, y, sample_weight, again=False, partial=False)
        task, classes, outputs = model._task()
        train, held = divided(split, self.validation_fraction, classes, seed)
        optimizer = build_optimizer(model, len(train), min(LARGEST_AUTO, len(train)), 0.0)
        self.study_ = study(
            model._network(outputs),
            Dataset("data", train, held, classes=classes, target=Target(task, "you said so")),
            optimizer=replace(optimizer, lr=0.1) if callable(optimizer.lr) else optimizer,
            loss=model._loss(),
            batch_sizes=self.batch_sizes,
            learning_rates=self.learning_rates,
            seeds=self.seeds,
            target_accuracy=self.target_accuracy,
            budget=self.budget,
            dtype=split.x.dtype.name,
            device=model.device or "cpu",
            threads=model.threads,
            seed=seed,
        )
        found = self.study_.recommendation
        rate = "solver" if isinstance(model.solver, Optimizer) else "learning_rate_init"
        self.best_params_ = {name: getattr(model, name) for name in ("batch_size", rate)}
        if found.batch_size is None:
            warnings.warn(f"the estimator's own batch size is kept. {found.why}", UserWarning, stacklevel=2)
        else:
            lr = replace(model.solver, lr=found.lr) if rate == "solver" else found.lr
            self.best_params_ = {"batch_size": found.batch_size, rate: lr}
        batches = self.study_.result.batch_sizes
        self.cv_results_ = {
            "param_batch_size": np.array([b.batch_size for b in batches]),
            "param_learning_rate_init": np.array([b.lr for b in batches]),
            "steps_to_target": np.array([b.steps_to_target.median for b in batches]),
            "seconds_to_target": np.array([b.seconds_to_target.median for b in batches]),
        }
        self.n_features_in_ = model.n_features_in_
        if hasattr(model, "feature_names_in_"):
            self.feature_names_in_ = model.feature_names_in_
        if self.refit:
            self.best_estimator_ = clone(self.estimator).set_params(**self.best_params_).fit(X, y, sample_weight)
        return self

    # ------------------------------------------------ by the estimator that was fitted

    def predict(self, X: Any) -> HostArray:
        """Return what the best estimator predicts.

        Args:
            X: (N, F) features.

        Returns:
            Classes or values.
        """
        predicted: HostArray = self._best().predict(X)
        return predicted

    @_has("predict_proba")  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> HostArray:
        """Return the probabilities of the best estimator.

        Args:
            X: (N, F) features.

        Returns:
            (N, C).
        """
        chances: HostArray = self._best().predict_proba(X)
        return chances

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the score of the best estimator.

        Args:
            X: (N, F) features.
            y: Targets.
            sample_weight: (N,) weights of the examples.

        Returns:
            Accuracy or R².
        """
        return float(self._best().score(X, y, sample_weight))

    @property
    def classes_(self) -> HostArray:
        """The classes, (C,)."""
        classes: HostArray = self._best().classes_
        return classes

    def _best(self) -> Any:
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_

    def __sklearn_tags__(self) -> Any:
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        for name in ("estimator_type", "classifier_tags", "regressor_tags", "input_tags", "target_tags"):
            setattr(tags, name, getattr(inner, name))
        return tags
