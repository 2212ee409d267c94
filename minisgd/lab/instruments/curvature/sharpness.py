"""``ms.sharpness``: how sharply the loss is curved at a network's weights, and which steps are stable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf, isfinite
from typing import Any

import numpy as np

from minisgd.checks import positive, within
from minisgd.lab.instruments.curvature.hessian import PRODUCTS, TOLERANCE, extremes, hutchinson_trace
from minisgd.lab.instruments.curvature.keskar import keskar_sharpness
from minisgd.lab.instruments.curvature.sam import sam_sharpness
from minisgd.lab.instruments.curvature.smooth import Examples, Subject, as_smooth, examples_of, require_finite
from minisgd.tables import Shown, bars
from minisgd.typing import Seed

EPSILONS = (1e-3, 5e-4)
"""Half widths of Keskar's box, as in the paper."""


@dataclass(frozen=True)
class Sharpness(Shown):
    """The curvature of the mean loss of a fixed set of examples at one point.

    Attributes:
        lambda_max: Largest eigenvalue of the Hessian.
        lambda_min: Smallest eigenvalue.
        lambda_max_error: Residual of lambda_max; an eigenvalue lies within that distance.
        lambda_min_error: Residual of lambda_min.
        converged: True if both residuals are within the tolerance.
        products: Hessian-vector products used for the eigenvalues.
        trace: Trace of the Hessian.
        trace_error: Its standard error.
        trace_samples: Number of random vectors it is the mean of.
        keskar: φ at ε = 1e-3, in percent.
        keskar_half: φ at ε = 5e-4, in percent.
        sam: L(w + ρ d) − L(w).
        rho: ρ.
        sam_along: What d is: "gradient" or "top eigenvector".
        loss: Loss at the point.
        gradient_norm: Norm of the gradient at the point.
        examples: Number of examples.
        parameters: P.
        lr: Learning rate in use, or None.
        batch_size: Batch size in use, or None.
        momentum: Momentum in use.
    """

    lambda_max: float
    lambda_min: float
    lambda_max_error: float
    lambda_min_error: float
    converged: bool
    products: int
    trace: float
    trace_error: float
    trace_samples: int
    keskar: float
    keskar_half: float
    sam: float
    rho: float
    sam_along: str
    loss: float
    gradient_norm: float
    examples: int | None
    parameters: int
    lr: float | None = None
    batch_size: int | None = None
    momentum: float = 0.0

    @property
    def lr_max(self) -> float:
        """2/λmax: gradient descent is stable below it; infinite where the loss is not curved upwards."""
        return largest_stable_lr(self.lambda_max)

    @property
    def lr_max_momentum(self) -> float:
        """2 (1 + μ)/λmax: the same for the heavy ball with the momentum given."""
        return largest_stable_lr(self.lambda_max, self.momentum)

    @property
    def lr_per_example(self) -> float | None:
        """lr/B, on which the width of the minima found by SGD depends; None where they were not given."""
        return None if self.lr is None or self.batch_size is None else self.lr / self.batch_size

    def picture(self) -> str:
        """Return the learning rate beside those that are stable, where it is known."""
        if self.lr is None:
            return ""
        limits = {"stable below 2/λmax": self.lr_max}
        limits |= {f"with momentum {self.momentum:g}": self.lr_max_momentum} if self.momentum else {}
        return bars({"learning rate": self.lr, **limits}, "{:.3g}".format)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, ready for JSON: null where any learning rate is stable."""
        plain = asdict(self)
        for name in ("lr_max", "lr_max_momentum"):
            plain[name] = getattr(self, name) if isfinite(getattr(self, name)) else None
        return plain | {"lr_per_example": self.lr_per_example}

    def __str__(self) -> str:
        """Write the result for people, a figure a line."""
        return "\n".join(f"{name:<22}{value:>12}   {remark}".rstrip() for name, value, remark in self.rows())

    def rows(self) -> list[tuple[str, str, str]]:
        """Return name, value and remark of every figure, as they are printed."""
        trace_error = f"± {self.trace_error:.2g} standard error, " if self.trace_error else "exact, "
        rows = [
            ("λmax", f"{self.lambda_max:.5g}", f"± {self.lambda_max_error:.1g}{self._doubt}"),
            ("λmin", f"{self.lambda_min:.5g}", f"± {self.lambda_min_error:.1g}{self._doubt}"),
            ("trace", f"{self.trace:.5g}", f"{trace_error}{self.trace_samples} vectors"),
            ("largest stable lr", f"{self.lr_max:.5g}", "2/λmax, full-batch gradient descent"),
        ]
        if self.momentum:
            remark = f"2(1+μ)/λmax, heavy ball with μ = {self.momentum:g}"
            rows.append(("with momentum", f"{self.lr_max_momentum:.5g}", remark))
        if self.lr is not None:
            share = self.lr / self.lr_max_momentum
            rows.append(("lr in use", f"{self.lr:.5g}", f"{share:.2g} of the largest stable"))
        if self.lr_per_example is not None:
            rows.append(("lr/B", f"{self.lr_per_example:.5g}", f"B = {self.batch_size}"))
        return [
            *rows,
            ("Keskar φ, ε = 1e-3", f"{self.keskar:.5g}", "percent"),
            ("Keskar φ, ε = 5e-4", f"{self.keskar_half:.5g}", "percent"),
            ("SAM rise", f"{self.sam:.5g}", f"ρ = {self.rho:g} along the {self.sam_along}"),
            ("loss", f"{self.loss:.5g}", f"|gradient| {self.gradient_norm:.3g}"),
            ("examples", str(self.examples or "–"), f"{self.parameters:,} parameters"),
        ]

    @property
    def _doubt(self) -> str:
        return "" if self.converged else f", not converged in {self.products} products"


def largest_stable_lr(lambda_max: float, momentum: float = 0.0) -> float:
    """Return 2 (1 + μ)/λmax, below which the heavy ball is stable on a quadratic; infinite where λmax ≤ 0."""
    return 2 * (1 + momentum) / lambda_max if lambda_max > 0 else inf


def sharpness(
    network: Subject,
    data: Examples | None = None,
    *,
    lr: float | None = None,
    batch_size: int | None = None,
    momentum: float = 0.0,
    rho: float = 0.05,
    samples: int | None = None,
    tolerance: float = TOLERANCE,
    products: int = PRODUCTS,
    seed: Seed = 0,
    **options: Any,
) -> Sharpness:
    """Measure the sharpness of the loss at a network's weights, on a fixed set of examples, as in evaluation.

    Extreme eigenvalues by Lanczos on exact Hessian-vector products, the trace by Hutchinson, Keskar's φ, SAM's rise.
    Takes about 4·(k + samples) + 300 gradients of the whole set, with k products of Lanczos (30 to 300).

    Args:
        network: A network with weights, or an ``Objective``.
        data: As for ``Objective``; None with an ``Objective``.
        lr: Learning rate in use, to be printed with the largest stable one.
        batch_size: Batch size in use.
        momentum: Momentum in use.
        rho: Radius of SAM.
        samples: As for ``hutchinson_trace``.
        tolerance: As for ``hessian_eigenvalues``.
        products: As for ``hessian_eigenvalues``.
        seed: Seed of all that is random here, the choice of ``examples`` included.
        **options: Further options of ``Objective``: ``loss``, ``split``, ``examples``, ``dtype``.

    Returns:
        All measures of sharpness.

    Raises:
        ArgumentError: An option is out of range; and what ``Objective`` raises.
        DivergedError: The weights, the loss or its curvature are not finite.
    """
    if lr is not None:
        within("(0, inf)", lr, "lr", "give the learning rate in use")
    if batch_size is not None:
        positive(batch_size, "batch_size")
    within("[0, 1)", momentum, "momentum", "0.9 is customary")
    within("(0, 1)", tolerance, "tolerance", "1e-6 is customary")
    smooth = as_smooth(network, data, seed=seed, **options)
    w = smooth.start
    loss, gradient = smooth.value_and_gradient(w)
    require_finite(loss, "the loss")
    ends = extremes(smooth, w, seed=seed, tolerance=tolerance, products=products)
    trace = hutchinson_trace(smooth, samples=samples, seed=seed)
    top = ends.top.vector
    keskar, keskar_half = (keskar_sharpness(smooth, epsilon=e, seed=seed, directions=(top,)).value for e in EPSILONS)
    sam = sam_sharpness(smooth, rho=rho, top=top)
    return Sharpness(
        lambda_max=ends.top.value,
        lambda_min=ends.bottom.value,
        lambda_max_error=ends.top.residual,
        lambda_min_error=ends.bottom.residual,
        converged=ends.top.converged and ends.bottom.converged,
        products=ends.products,
        trace=trace.value,
        trace_error=trace.standard_error,
        trace_samples=trace.samples,
        keskar=keskar,
        keskar_half=keskar_half,
        sam=sam.value,
        rho=rho,
        sam_along=sam.along,
        loss=loss,
        gradient_norm=float(np.linalg.norm(gradient)),
        examples=examples_of(smooth),
        parameters=smooth.parameters,
        lr=lr,
        batch_size=batch_size,
        momentum=momentum,
    )
