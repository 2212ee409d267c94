"""Do newer optimizers tolerate larger batches?

Theory. Steps to a target are S(B) = Smin + Emin/B, and what an optimizer changes is where that bends: preconditioning
and momentum lower Smin and leave Emin, so that they save steps at large batches only (Zhang et al. 2019, Which
algorithmic choices matter at which batch sizes?, sections 3 and 4). Muon is said to keep its data efficiency far beyond
the critical batch size of AdamW (Essential AI 2025, Practical efficiency of Muon for pretraining, abstract).

Look at: the diamonds are critical batch sizes Emin/Smin with 95% intervals (for the other definition, 20% over linear
scaling, divide by five). Optimizers differ where their intervals do not overlap, and an order on one problem is not an
order on another. All three are trained, at the learning rate that is best for each optimizer at each batch size: linear
regression with curvatures from 1 to 1/32, which is the noisy quadratic near its minimum, an MLP and a CNN on digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _style import BLUE, GREEN, ORANGE, PURPLE, arguments, panels, save

import minisgd as ms

OPTIMIZERS = {
    "SGD": (ms.SGD(lr=0.1), BLUE),
    "Adam": (ms.Adam(lr=1e-3), ORANGE),
    "Lion": (ms.Lion(lr=1e-3), GREEN),
    "Muon": (ms.Muon(lr=1e-2), PURPLE),
}


def noisy_quadratic(n: int = 4096, features: int = 32) -> ms.Dataset:
    """Return a linear regression: a quadratic with eigenvalues of about 2/i, and noise in proportion to them.

    y = x·w + ε, E[x xᵀ] = diag(1/i), w_i = 1: the noisy quadratic of Zhang et al., h_i = c_i, near its minimum.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, features)) / np.sqrt(np.arange(1, features + 1))
    y = x.sum(1, keepdims=True) + rng.normal(size=(n, 1))
    return ms.Dataset.from_arrays(x.astype(np.float32), y.astype(np.float32), validation=0.25, name="noisy quadratic")


def problems() -> list[tuple[str, ms.Network, ms.Dataset, float]]:
    """Return title, network, data and validation loss to reach."""
    flat, images = (ms.datasets.digits(validation=0.2, seed=0, images=i) for i in (False, True))
    cnn = ms.Network(ms.Conv2d(8, 3, stride=2), ms.ReLU(), ms.Flatten(), ms.Linear(10))
    return [
        ("noisy quadratic", ms.Network(ms.Linear(1, bias=False)), noisy_quadratic(), 1.06),
        ("MLP 64-32-10, digits", ms.Network(ms.Linear(32), ms.ReLU(), ms.Linear(10)), flat, 0.25),
        ("CNN, digits", cnn, images, 0.3),
    ]


def main(out: Path, seeds: int = 4, sizes: Sequence[int] = (8, 32, 128, 512), shown: int = 3) -> None:
    """Study every problem with every optimizer; print the critical batch sizes, draw them with the steps."""
    chosen = problems()[:shown]
    figure, axes = panels(*(title for title, *_ in chosen))
    for ax, (title, network, data, target) in zip(axes, chosen, strict=True):
        print(f"\n{title}, to a validation loss of {target}")
        for name, (optimizer, colour) in OPTIMIZERS.items():
            found = ms.study(
                network, data, optimizer=optimizer, batch_sizes=sizes, seeds=seeds, target_loss=target, budget=None
            ).result
            print(f"{name:<6} {found.fit}")
            draw(ax, found, name, colour)
        ax.set(xscale="log", yscale="log", xlabel="batch size", ylabel="steps to the target")
        ax.legend()
    save(figure, out)


def draw(ax: Any, found: Any, name: str, colour: str) -> None:
    """Draw steps with their intervals, the fit, and the critical batch size with its own."""
    known = [(b.batch_size, b.steps_to_target) for b in found.batch_sizes if np.isfinite(b.steps_to_target.median)]
    steps = np.array([s.median for _, s in known])
    spread = [steps - [s.low for _, s in known], [min(s.high, 3 * s.median) for _, s in known] - steps]
    ax.errorbar([b for b, _ in known], steps, spread, fmt="o", ms=4, color=colour, lw=1)
    fit = found.fit
    if fit.s_min is None:
        return
    at = np.array(fit.band_at)
    ax.plot(at, fit.s_min + fit.e_min / at, color=colour, lw=1.2, label=name)
    if 0 < fit.b_crit < at[-1] * 4:
        ends = np.clip(fit.interval, fit.b_crit / 10, fit.b_crit * 10)
        ax.plot(ends, [2 * fit.s_min] * 2, color=colour, lw=1, ls=":")
        ax.plot(fit.b_crit, 2 * fit.s_min, "D", color=colour, mfc="white", ms=7)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
