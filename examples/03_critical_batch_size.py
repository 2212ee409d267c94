"""How far does a larger batch save steps, and does momentum change that?

Theory. On a quadratic with curvatures h_i and gradient noise c_i / B, the mean square of every coordinate follows a
recursion that needs no simulation (Zhang et al. 2019, Which algorithmic choices matter at which batch sizes?, section
3). Steps to a target fall like 1/B (perfect scaling) until the noise no longer matters, and then not at all. The bend
is the critical batch size, Emin/Smin of S(B) = Smin + Emin/B (McCandlish et al. 2018, equation 2.11). Momentum
does nothing below the bend and moves the bend to the right: it needs fewer steps only where batches are large.

Look at: the table of the model must be exactly the numbers given (d = 100, h_i = c_i = 1/i, risk 0.01; methods of the
tests). Then the same two curves, measured on the digits with every learning rate tuned: the same shape, Emin/Smin
larger with momentum; and so is the other definition, 20% over linear scaling, a fifth of it (Zhang et al. 2024).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _style import BLUE, GREY, ORANGE, arguments, panels, save

import minisgd as ms

BATCH_SIZES = 4 ** np.arange(8)
KNOWN = {0.0: [32563, 8055, 2063, 537, 172, 94, 83, 72], 0.9: [32351, 8005, 1999, 496, 111, 52, 46, 45]}
RATES = {0.0: np.geomspace(1e-3, 1.95, 48), 0.9: np.geomspace(1e-4, 3.7, 56)}
COLOURS = {0.0: BLUE, 0.9: ORANGE}


def model_steps(batch_size: int, momentum: float, target: float = 0.01) -> int:
    """Return the fewest steps in which heavy ball, v ← μ v + g, θ ← θ − a v, brings ½ Σ h E[θ²] to the target.

    tt, tv, vv (A, 100): E[θ²], E[θ v] and E[v²] for every learning rate and every coordinate
    """
    h = 1 / np.arange(1, 101)
    c, a = h / batch_size, RATES[momentum][:, None]
    a = a[a * c.sum() / (1 - momentum) <= 4 * target, None]  # larger rates are louder than the target even at rest
    tt, tv, vv = np.ones((len(a), 100)), 0.0, 0.0
    steps = 0
    while (tt @ h / 2).min() > target:
        vv = momentum**2 * vv + 2 * momentum * h * tv + h**2 * tt + c
        tv = momentum * tv + h * tt
        tt, tv = tt - 2 * a * tv + a**2 * vv, tv - a * vv
        steps += 1
    return steps


def fit(batch_sizes: np.ndarray, steps: np.ndarray) -> tuple[float, float]:
    """Return Smin and Emin of S(B) = Smin + Emin/B, by least squares of the relative error."""
    features = np.stack([1 / steps, 1 / (batch_sizes * steps)], axis=1)
    (s_min, e_min), *_ = np.linalg.lstsq(features, np.ones(len(steps)), rcond=None)
    return s_min, e_min


def draw(ax: Any, batch_sizes: np.ndarray, steps: np.ndarray, momentum: float, s_min: float, e_min: float) -> None:
    """Draw steps against batch size with their fit, and the critical batch size on it."""
    fine, colour = np.geomspace(batch_sizes[0], batch_sizes[-1]), COLOURS[momentum]
    ax.plot(fine, s_min + e_min / fine, color=colour, label=f"μ = {momentum:g}: Emin/Smin {e_min / s_min:.0f}")
    ax.plot(batch_sizes, steps, "o", color=colour, ms=5)
    ax.plot(e_min / s_min, 2 * s_min, "D", color=colour, mfc="white", ms=8)


def main(out: Path, seeds: int = 5, model_sizes: np.ndarray = BATCH_SIZES) -> None:
    """Reproduce the model's numbers, measure the same on digits, draw both."""
    figure, (model, digits) = panels("noisy quadratic model, exactly", "digits, an MLP 64-32-10, measured")
    for momentum, known in KNOWN.items():
        steps = np.array([model_steps(size, momentum) for size in model_sizes])
        print(f"model, μ = {momentum:g}: steps {steps}")
        if list(steps) != known[-len(steps) :]:
            raise SystemExit(f"the literature's recursion gives {known}")
        s_min, e_min = fit(model_sizes, steps)
        draw(model, model_sizes, steps, momentum, s_min, e_min)
        bend = e_min / s_min
        print(f"{'':15} Critical batch size: Emin/Smin {bend:.0f}; 20% over linear scaling {bend / 5:.0f}.")

    data = ms.datasets.digits(validation=0.2, seed=0)
    net = ms.Network(ms.Linear(32), ms.ReLU(), ms.Linear(10))
    for momentum in KNOWN:
        result = ms.study(
            net,
            data,
            optimizer=ms.SGD(lr=0.1, momentum=momentum),
            batch_sizes=[4, 16, 64, 256, "full"],
            target_loss=0.2,
            seeds=seeds,
        ).result
        rows = [(b.batch_size, b.lr, b.steps_to_target) for b in result.batch_sizes]
        print(f"digits, μ = {momentum:g}: {', '.join(f'B {b}: {s.median:.0f} (lr {lr:.3g})' for b, lr, s in rows)}")
        sizes, steps = np.array([b for b, _, _ in rows]), np.array([s.median for _, _, s in rows])
        spread = [steps - [s.low for *_, s in rows], [s.high for *_, s in rows] - steps]
        digits.errorbar(sizes, steps, spread, fmt="none", color=COLOURS[momentum], lw=1)
        draw(digits, sizes, steps, momentum, result.fit.s_min, result.fit.e_min)
        print(f"{'':15} {result.fit}")
    for ax in (model, digits):
        ax.plot([], [], "D", color=GREY, mfc="white", ms=8, label="Emin/Smin: twice the fewest steps")
        ax.set(xscale="log", yscale="log", xlabel="batch size", ylabel="steps to the target")
        ax.legend()
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
