"""The regressor: one value an example, or several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from sklearn.base import RegressorMixin

from minisgd.backend import Ops
from minisgd.data.labels import Classes
from minisgd.data.target import Task
from minisgd.estimators.base import MinisgdEstimator
from minisgd.nn import Loss
from minisgd.nn.losses.regression import RegressionLoss
from minisgd.typing import Array, HostArray


class HalfSquaredError(RegressionLoss):
    """Half the squared error, which scikit-learn minimises: ρ(r) = ½ r², ρ′(r) = r."""

    def penalty(self, ops: Ops, r: Array, out: Array) -> None:
        ops.square(r, out=out)
        ops.multiply(out, 0.5, out=out)

    def slope(self, ops: Ops, r: Array) -> None:
        """r stays."""


@dataclass(eq=False, repr=False)
class MinisgdRegressor(RegressorMixin, MinisgdEstimator):  # type: ignore[misc]
    """Predict values with a network, as scikit-learn's ``MLPRegressor`` does, with its arguments and ``ms.train``'s.

    Minimises half the squared error, the mean over outputs. float32 features train in float32, all others in float64.
    Targets are learned as they are: scale them, for example by ``sklearn.compose.TransformedTargetRegressor``.

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

    Raises:
        ArgumentError: In ``fit``, for an argument out of range.
        DataError: In ``fit``, for data that cannot be learned from.
    """

    metric = "val_r2"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on all examples until the loss, or with early stopping R², no longer improves.

        Args:
            X: (N, F) features: an array, a data frame, or a sparse matrix.
            y: (N,) or (N, O) values.
            sample_weight: (N,) weights of the examples; 0 leaves one out.

        Returns:
            The estimator itself.
        """
        return self._fit(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on these examples, from where the last call ended, the optimizer's state included.

        Once early stopping has found no gain for too long, the best weights are put back, and later calls change
        nothing.

        Args:
            X: (N, F) features.
            y: (N,) or (N, O) values.
            sample_weight: (N,) weights of the examples.

        Returns:
            The estimator itself.
        """
        return self._fit(X, y, sample_weight, partial=True)

    def predict(self, X: Any) -> HostArray:
        """Return the values.

        Args:
            X: (N, F) features.

        Returns:
            (N,) or (N, O) values, in the shape of the targets.
        """
        return self._answers(X)[1]

    # ------------------------------------------------ what the base class asks

    def _targets(self, y: HostArray, again: bool, partial: bool) -> HostArray:
        self._width = 1 if y.ndim == 1 else y.shape[1]
        return y

    def _task(self) -> tuple[Task, Classes | None, int]:
        return "regression", None, self._width

    def _loss(self) -> Loss:
        return self.loss or HalfSquaredError()
