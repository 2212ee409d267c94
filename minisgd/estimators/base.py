"""What both estimators share: data in, a training run of ``ms.train``, and what scikit-learn calls its results."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from math import isfinite
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from minisgd.checks import is_number, within
from minisgd.data import Dataset, Split
from minisgd.data.holdout import divided
from minisgd.data.labels import Classes
from minisgd.data.target import Target, Task
from minisgd.errors import ArgumentError
from minisgd.estimators.convergence import Convergence, Rule
from minisgd.estimators.network import build_network
from minisgd.estimators.solver import AdaptiveRate, build_optimizer
from minisgd.nn import Layer, Loss, Network
from minisgd.optim import LearningRateSchedule, Optimizer
from minisgd.optim.batch_size import BatchSize, as_batch_schedule
from minisgd.optim.checks import count, non_negative
from minisgd.sparse import SparseRows, is_sparse
from minisgd.training import Callback, Predictor, train
from minisgd.training.callbacks import require_callbacks
from minisgd.typing import HostArray

LARGEST_AUTO = 200
"""The batch size that "auto" does not exceed, as in scikit-learn."""

NUMBERS = (np.float64, np.float32)
"""What features may be; anything else becomes the first."""


@dataclass(eq=False, repr=False)
class MinisgdEstimator(BaseEstimator):  # type: ignore[misc]
    """A network trained by ``ms.train``, as scikit-learn's estimators are."""

    hidden_layer_sizes: Sequence[int] | int = (100,)
    activation: str = "relu"
    _: KW_ONLY
    layers: Sequence[Layer] | Network | None = None
    loss: Loss | None = None
    solver: str | Optimizer = "adam"
    alpha: float = 1e-4
    batch_size: BatchSize | str = "auto"
    learning_rate: str = "constant"
    learning_rate_init: float | LearningRateSchedule = 1e-3
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = None
    tol: float = 1e-4
    verbose: bool = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: int = 10
    callbacks: Sequence[Callback] = ()
    device: str | None = None
    threads: int | None = None

    metric: ClassVar[str]
    """The validation score that early stopping follows."""

    # ------------------------------------------------ what the two differ in

    def _targets(self, y: HostArray, again: bool, partial: bool) -> HostArray:
        """Return targets as a network learns them: codes (N,), or values (N,) or (N, O).

        again: whether the network goes on from what it has learned   partial: whether classes were given before
        """
        raise NotImplementedError

    def _task(self) -> tuple[Task, Classes | None, int]:
        """Return the task, the names of its classes, and the number of outputs."""
        raise NotImplementedError

    def _loss(self) -> Loss | None:
        return self.loss

    def _weights(self, y: HostArray, weight: HostArray | None) -> HostArray | None:
        """Return the weights of the examples (N,), None where all are alike."""
        return weight

    # ------------------------------------------------ fitting

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, partial: bool = False) -> Self:
        """Train: to the end, or, where ``partial`` is true, for one epoch from where the last call ended."""
        self._check_arguments()
        again = hasattr(self, "model_") and (partial or self.warm_start)
        if again and partial and self.early_stopping and self._progress.converged:
            return self
        split = self._split(X, y, sample_weight, again, partial)
        if not again:
            self._progress: Convergence = Convergence()
            self._seed: int = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        task, classes, outputs = self._task()
        held = None
        if self.early_stopping:  # the same seed in every call: of the same rows, the same are held out
            split, held = divided(split, self.validation_fraction, classes, self._seed)
        mean = 1.0 if split.weight is None else float(split.weight.mean(dtype=np.float64))
        data = Dataset("data", split, held, classes=classes, target=Target(task, "you said so"))
        size = self._batch_size(len(data))
        progress = self._progress
        begun = float(len(progress.losses)) if partial else 0.0
        largest = as_batch_schedule(size, len(data)).largest
        optimizer = build_optimizer(self, len(data), largest * mean, begun)  # a weight of 2 is an example twice
        rule = Rule(
            metric=self.metric if self.early_stopping else None,
            tol=self.tol,
            patience=self.n_iter_no_change,
            rate=optimizer.lr if isinstance(optimizer.lr, AdaptiveRate) else None,
            lasting=partial,
            verbose=bool(self.verbose),
        )
        network = self.model_.network if again else self._network(outputs)
        run = train(
            network,
            data,
            optimizer=optimizer,
            loss=self._loss(),
            batch_size=size,
            epochs=1 if partial else self.max_iter,
            sampling="shuffle" if self.shuffle else "sequential",
            last_batch="drop" if network.couples_batch and len(data) % largest == 1 else "use",
            metrics=["r2"] if self.early_stopping and task == "regression" else None,
            callbacks=[progress.follow(rule), *self.callbacks],
            dtype=split.x.dtype.name,
            device=self.device,
            threads=self.threads,
            progress=False,
            seed=self._seed + len(progress.losses),
        )
        self.model_: Predictor = run.model
        self._remember(task, outputs)
        if run.stopped == "interrupted":
            warnings.warn("the fit was interrupted; what was learned until then is kept", UserWarning, stacklevel=3)
        elif not partial and not progress.converged and self.max_iter == len(run.history):
            text = f"the loss was still changing by more than tol={self.tol:g} after max_iter={self.max_iter} epochs"
            warnings.warn(text, ConvergenceWarning, stacklevel=3)
        return self

    def _split(self, X: Any, y: Any, sample_weight: Any, again: bool, partial: bool) -> Split:
        """Return the examples, checked as scikit-learn does."""
        dtype = np.dtype(self.model_.network.dtype) if again else NUMBERS  # a network goes on in its own
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=dtype, order="C", multi_output=True,
            y_numeric=is_regressor(self), reset=not again,
        )  # fmt: skip
        y = y.toarray() if is_sparse(y) else y  # indicators of labels
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        weight = self._weights(y, weight)
        y = self._targets(y, again, partial)
        weight = None if weight is None else weight.astype(X.dtype)
        return Split(
            _features(X),
            y if y.ndim == 1 and y.dtype == np.int64 and not is_regressor(self) else y.astype(X.dtype),
            weight,
        ).present()

    def _network(self, outputs: int) -> Network:
        return build_network(self.layers, self.hidden_layer_sizes, self.activation, outputs)

    def _batch_size(self, n: int) -> Any:
        size = self.batch_size
        if isinstance(size, str) and size == "auto":
            return min(LARGEST_AUTO, n)
        if isinstance(size, int | np.integer) and not 1 <= size <= n:
            warnings.warn(f"batch_size={size} is held to 1 … {n}, the number of examples", UserWarning, stacklevel=4)
            return min(max(int(size), 1), n)
        return size

    def _check_arguments(self) -> None:
        count("max_iter", self.max_iter, "use 200, for example")
        count("n_iter_no_change", self.n_iter_no_change, "10 is customary")
        non_negative("alpha", self.alpha, "1e-4 is customary")
        require_callbacks(self.callbacks)
        if self.early_stopping and not within("[0, 1)", self.validation_fraction, "validation_fraction", "use 0.1"):
            raise ArgumentError("validation_fraction", expected="a number in (0, 1)", got=0, fix="use 0.1")
        if not (is_number(self.tol) and self.tol >= 0 and isfinite(self.tol)):
            raise ArgumentError("tol", expected="a number ≥ 0", got=self.tol, fix="1e-4 is customary")

    def _remember(self, task: Task, outputs: int) -> None:
        """Set the attributes that scikit-learn's multi-layer perceptrons have after a fit."""
        progress = self._progress
        self.loss_curve_ = progress.losses
        self.loss_, self.best_loss_ = progress.losses[-1], progress.best_loss
        self.validation_scores_ = progress.scores if self.early_stopping else None
        self.best_validation_score_ = progress.best_score if self.early_stopping else None
        self.n_iter_, self.t_ = len(progress.losses), progress.examples
        self.n_outputs_ = outputs
        self.out_activation_ = {"classification": "softmax", "multilabel": "logistic"}.get(task, "identity")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # ------------------------------------------------ using

    @property
    def network_(self) -> Network:
        """The trained network."""
        check_is_fitted(self)
        network: Network = self.model_.network
        return network

    def _answers(self, X: Any) -> tuple[Predictor, HostArray]:
        """Return the trained model, and what it answers: values (N,) or (N, O), or logits (N, C)."""
        check_is_fitted(self)
        model: Predictor = self.model_
        X = validate_data(self, X, accept_sparse="csr", dtype=np.dtype(model.network.dtype), order="C", reset=False)
        return model, model.of(_features(X))


def _features(X: Any) -> Any:
    """Return features as training and prediction read them."""
    return SparseRows(X) if is_sparse(X) else X
