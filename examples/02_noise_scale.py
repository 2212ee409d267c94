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

from pathlib import Path

import numpy as np
from _style import BLUE, GREEN, GREY, ORANGE, arguments, panels, save

import minisgd as ms

BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
SHOWN = [(4, ORANGE), (32, BLUE), (1024, GREEN)]
"""Batch sizes of which a whole range of learning rates is tried."""


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
        """Return how much the loss falls in a step, and the standard error, over random batches."""
        drops = []
        for _ in range(trials * max(1, 16 // batch_size)):
            batch = rng.integers(len(gradients), size=batch_size)
            drops.append(before - loss.value(w - lr * gradients[batch].mean(0)))
        return float(np.mean(drops)), float(np.std(drops) / np.sqrt(len(drops)))

    def expected(lr: np.ndarray, batch_size: int) -> np.ndarray:
        curvature = noise.gradient_curvature + noise.noise_curvature / batch_size
        return lr * noise.grad_sq_norm - lr**2 * curvature / 2

    figure, (gain, parabola) = panels("gain of the best step", "gain of a step against its learning rate")
    print("    B   best lr   predicted   measured            ratio")
    for size in BATCH_SIZES:
        lr, drop = noise.best_lr(size), noise.loss_drop(size)
        mean, error = measured(lr, size)
        print(f"{size:5}{lr:10.4f}{drop:12.5f}{mean:11.5f} ± {error:.5f}{mean / drop:8.2f}")
        gain.errorbar(size, mean, 2 * error, fmt="o", color=BLUE, ms=4, label="measured" if size == 1 else None)
    fine = np.geomspace(0.7, 1500)
    gain.plot(fine, [noise.loss_drop(b) for b in fine], color=GREY, label="predicted")
    gain.axvline(noise.b_noise, color=GREY, lw=1, ls=":")
    gain.annotate(
        "B_noise", (noise.b_noise, 0.02), (4, 0), xycoords=("data", "axes fraction"), textcoords="offset points"
    )
    gain.set(xscale="log", yscale="log", xlabel="batch size", ylabel="fall of the loss in one step")
    gain.legend()

    for size, colour in SHOWN:
        rates = noise.best_lr(size) * np.linspace(0.2, 2.2, 6)
        points = [measured(lr, size) for lr in rates]
        parabola.errorbar(rates, *np.transpose([(m, 2 * e) for m, e in points]), fmt="o", color=colour, ms=4)
        fine = np.linspace(0, rates[-1])
        parabola.plot(fine, expected(fine, size), color=colour, label=f"B = {size}")
    parabola.axhline(0, color=GREY, lw=1)
    parabola.set(xlabel="learning rate", ylabel="fall of the loss in one step")
    parabola.legend()
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
