"""What does the gradient noise scale predict, and what happens?

Theory. A step of SGD with learning rate ε on a batch of B changes a quadratic loss, on average, by

    ΔL = −ε |G|² + ½ ε² (GᵀHG + tr(HΣ)/B),

so the best step, and what it gains, are those of the full batch divided by 1 + B_noise/B with B_noise = tr(HΣ)/GᵀHG
(McCandlish et al. 2018, An empirical model of large-batch training, equations 2.4 to 2.8). At B = B_noise a step gains
half of what the full batch would gain.

Look at: the points are real steps, averaged over 150 to 2,400 random batches; the lines were computed before any of
them was taken, from gradients and curvature at one point. The last column should be 1 within the error of the
measurement, of which the bars show twice. The parabolas: too long a step undoes what a step gains, and the smaller
the batch, the sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _style import BLUE, GREEN, GREY, ORANGE, arguments, panels, save

import minisgd as ms

BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
SHOWN = [(4, ORANGE), (32, BLUE), (1024, GREEN)]
"""Batch sizes of which a whole range of learning rates is tried."""


Measure = Callable[[float, int], tuple[float, float]]
"""From learning rate and batch size to the fall of the loss in a step, and its standard error."""


def best_steps(ax: Any, noise: ms.GradientNoise, measured: Measure) -> None:
    """Take the best step at every batch size; print and draw what it gains beside the prediction."""
    print("    B   best lr   predicted   measured            ratio")
    for size in BATCH_SIZES:
        lr, drop = noise.best_lr(size), noise.loss_drop(size)
        mean, error = measured(lr, size)
        print(f"{size:5}{lr:10.4f}{drop:12.5f}{mean:11.5f} ± {error:.5f}{mean / drop:8.2f}")
        ax.errorbar(size, mean, 2 * error, fmt="o", color=BLUE, ms=4, label="measured" if size == 1 else None)
    fine = np.geomspace(0.7, 1500)
    ax.plot(fine, [noise.loss_drop(b) for b in fine], color=GREY, label="predicted")
    ax.axvline(noise.b_noise, color=GREY, lw=1, ls=":", label="B_noise")
    ax.set(xscale="log", yscale="log", xlabel="batch size", ylabel="fall of the loss in one step")
    ax.legend()


def steps_of_all_lengths(ax: Any, noise: ms.GradientNoise, measured: Measure) -> None:
    """Take steps of several learning rates; draw them beside the parabola."""
    for size, colour in SHOWN:
        rates = noise.best_lr(size) * np.linspace(0.2, 2.2, 6)
        mean, error = np.transpose([measured(lr, size) for lr in rates])
        ax.errorbar(rates, mean, 2 * error, fmt="o", color=colour, ms=4)
        fine, curvature = np.linspace(0, rates[-1]), noise.gradient_curvature + noise.noise_curvature / size
        ax.plot(fine, fine * noise.grad_sq_norm - fine**2 * curvature / 2, color=colour, label=f"B = {size}")
    ax.axhline(0, color=GREY, lw=1)
    ax.set(xlabel="learning rate", ylabel="fall of the loss in one step")
    ax.legend()


def main(out: Path, trials: int = 150, warm_up: int = 60) -> None:
    """Predict the gain of one step, measure it, print both, draw."""
    data = ms.datasets.digits(validation=None)
    net = ms.Network(ms.Linear(12), ms.Tanh(), ms.Linear(10))
    net = ms.train(net, data, optimizer=ms.SGD(lr=0.2), batch_size=64, steps=warm_up).network
    noise = ms.gradient_noise(net, data)
    print(f"|G|² {noise.grad_sq_norm:.3g}   tr Σ {noise.trace_covariance:.3g}   {noise.how}")
    print(f"B_simple = tr Σ/|G|² = {noise.b_simple:.0f}   B_noise = {noise.b_noise:.0f}   lr_max {noise.lr_max:.2f}\n")

    loss = ms.Objective(net, data)
    w, before = loss.start, loss.value(loss.start)
    gradients = ms.per_example_gradients(net, data.train.x, data.train.y)  # (N, P)
    rng = np.random.default_rng(0)

    def measured(lr: float, batch_size: int) -> tuple[float, float]:
        drops = []
        for _ in range(trials * max(1, 16 // batch_size)):
            batch = rng.integers(len(gradients), size=batch_size)
            drops.append(before - loss.value(w - lr * gradients[batch].mean(0)))
        return float(np.mean(drops)), float(np.std(drops) / np.sqrt(len(drops)))

    figure, (best, lengths) = panels("gain of the best step", "gain of a step against its learning rate")
    best_steps(best, noise, measured)
    steps_of_all_lengths(lengths, noise, measured)
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
