"""``ms.gsnr``: which parameters have a gradient that the examples agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.data import Dataset, Split
from minisgd.errors import ArgumentError, DivergedError
from minisgd.lab.instruments.examples.subject import Examples
from minisgd.nn import Loss, Network
from minisgd.nn.layout import Layout
from minisgd.tables import Shown, bars
from minisgd.training.example_pass import SumOfSquares
from minisgd.typing import HostArray

ROUNDING = 1e-13
"""A variance below this share of the mean square is rounding: the examples do not differ."""


@dataclass(frozen=True)
class GSNR(Shown):
    """Signal-to-noise ratio of the gradient, parameter by parameter: G_j² / Var_i(g_ij).

    Attributes:
        values: The ratios in the order of the network's vector, (P,); 0 where no example has a gradient (a dead unit),
            ∞ where all have the same one.
        examples: Number N of examples, all of which were used.
        layout: Names and shapes of the parameters.
    """

    values: HostArray
    examples: int
    layout: Layout

    @property
    def by_parameter(self) -> dict[str, HostArray]:
        """The values by the parameter's name, in its shape."""
        return {segment.name: segment.view(self.values) for segment in self.layout}

    @property
    def median(self) -> float:
        """The median over parameters."""
        return float(np.median(self.values))

    @property
    def mean(self) -> float:
        """The mean over parameters, as Liu et al. plot it."""
        return float(self.values.mean())

    def quantile(self, share: float) -> float:
        """Return a quantile of the ratios over the parameters.

        Args:
            share: Share of the parameters that lie below, from 0 to 1.

        Returns:
            The quantile.

        Raises:
            ArgumentError: The share is outside [0, 1].
        """
        if not 0 <= share <= 1:
            raise ArgumentError("share", expected="in [0, 1]", got=share, fix="0.5 is the median")
        return float(np.quantile(self.values, share, method="nearest"))

    def picture(self) -> str:
        return bars(self.summary(), "{:.3g}".format)

    def summary(self) -> dict[str, float]:
        """Return the median of every parameter tensor, by name."""
        return {name: float(np.median(values)) for name, values in self.by_parameter.items()}


def gsnr(
    network: Network, data: Dataset | Split | tuple[Any, Any], *, loss: Loss | None = None, split: str = "train"
) -> GSNR:
    """Measure G_j² / Var_j over all examples, exactly, in one backward pass, in float64 and as in evaluation.

    Var_j = 1/(N − 1) Σ_i (g_ij − G_j)². No gradient of a dense layer is formed: Σ_i g_i² = (a²)ᵀ(δ²).

    Liu, Jiang, Bai et al. 2020, Understanding why neural networks generalize well through GSNR of parameters.

    Args:
        network: A network with weights.
        data: A ``Dataset``, a ``Split`` or (x, y), of at least 2 examples.
        loss: By default that of the task.
        split: Which split of a ``Dataset``.

    Returns:
        The ratio of every parameter.

    Raises:
        ArgumentError: The network has no weights or some that are not finite, or there are fewer than 2 examples.
        ShapeError: The data have another shape than the network's inputs.
        DataError: The labels do not fit the network's outputs.
        DivergedError: Gradients overflow.
    """
    examples = Examples.of(network, data, loss, split)
    n, p = len(examples), network.n_parameters
    if n < 2:
        raise ArgumentError("data", expected="at least 2 examples", got=n, fix="one gradient alone has no spread")
    total, squares = np.zeros(p), np.zeros(p)
    gradient, chunk = np.zeros(p), np.zeros(p)
    for _ in examples.passed(SumOfSquares(chunk), gradient=gradient):
        total += gradient
        squares += chunk
    if not np.isfinite(squares).all():
        raise DivergedError(
            "gradient", expected="finite", got="overflow", fix="look at weights from before the training run diverged"
        )
    variance = (squares - total**2 / n) / (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        noisy = (total / n) ** 2 / np.where(variance > ROUNDING * squares / n, variance, 0.0)
    return GSNR(np.where(squares > 0, noisy, 0.0), n, examples.network.layout)
