"""Can a training run grow its batch where others decay the learning rate?

Theory. The noise of SGD is in proportion to lr·N / (B (1 − μ)), so doubling B quiets it as much as halving lr does
(Smith et al. 2018, Don't decay the learning rate, increase the batch size, sections 2 and 3). At rest on a quadratic
with curvature h and gradient variance c the mean square is lr·c / (B h (2 − lr·h)): with h = c = 1 that is 0.0526 at
lr 0.1 and B 1; 0.0256 at half the rate; 0.0263 at twice the batch.

Look at: per epoch the two curves lie on each other, on real digits and on a regression whose least loss is known, where
each halving of lr/B halves what is left (the dotted line is the formula). Per update the growing batch is done several
times sooner: and updates are what takes machines in turn. Held constant, lr and B leave the regression in its noise.
The digits, which the network fits exactly, need no decay at all: noise vanishes where every example is fitted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _style import BLUE, GREY, ORANGE, arguments, panels, save

import minisgd as ms


def at_rest(lr: float, batch_size: float, h: float = 1.0, c: float = 1.0) -> float:
    """Return E[θ²] of SGD at rest on ½ h θ² with gradients of variance c."""
    return lr * c / (batch_size * h * (2 - lr * h))


def compare(
    axes: Any,
    net: ms.Network,
    data: ms.Dataset,
    lr: float,
    size: int,
    every: int,
    factor: int,
    seeds: int,
    floor: float = 0.0,
) -> None:
    """Train with a constant setting, with lr/factor every so many epochs, and with B·factor; print and draw."""
    largest = size * factor**4
    ways = [
        ("lr and B constant", lr, size, GREY, "-"),
        (f"lr / {factor} every {every} epochs", ms.StepDecay(lr, factor=1 / factor, every=every), size, BLUE, "-"),
        (
            f"B · {factor} every {every} epochs",
            lr,
            ms.GrowBatch(size, largest, every=every, factor=factor),
            ORANGE,
            "--",
        ),
    ]
    # validated on the training examples: their mean loss, free of the chance of which were drawn
    data = ms.Dataset(data.name, data.train, data.train, classes=data.classes, scale=data.scale)
    print(f"\n{data.name}\n{'':24} updates   mean training loss of the last stage{' above the least' if floor else ''}")
    for name, rate, batch, colour, dashes in ways:
        runs = [
            ms.train(
                net,
                data,
                optimizer=ms.SGD(lr=rate),
                batch_size=batch,
                epochs=5 * every,
                sampling="replacement",
                evaluate_every=every / 8,
                seed=seed,
            )
            for seed in range(seeds)
        ]
        loss = np.mean([run.history["val_loss"] for run in runs], axis=0) - floor
        print(f"{name:24}{runs[0].steps:8,}{loss[-len(loss) // 5 :].mean():12.5f}")
        for ax, clock in zip(axes, ("epoch", "step"), strict=True):
            ax.plot(runs[0].history[clock], loss, color=colour, ls=dashes, label=name)
    for ax, label in zip(axes, ("epochs", "updates"), strict=True):
        ax.set(xlabel=label, ylabel="training loss" + (" above the least" if floor else ""), yscale="log")
    axes[0].legend(fontsize=8)


def main(out: Path, seeds: int = 8, every: int = 8) -> None:
    """Compare on digits and on a regression, beside the formula."""
    for lr, size in ((0.1, 1), (0.05, 1), (0.1, 2)):
        print(f"quadratic at rest, lr {lr:<5} B {size}: {at_rest(lr, size):.7f}")
    figure, axes = panels(
        "digits, per epoch", "digits, per update", "regression, per epoch", "the same, per update", rows=2
    )
    digits = ms.datasets.digits(validation=0.2)
    net = ms.Network(ms.Linear(32), ms.ReLU(), ms.Linear(10))
    compare(axes[:2], net, digits, lr=0.4, size=4, every=every, factor=4, seeds=max(1, seeds // 2))

    features, sigma, lr, size, half = 20, 1.0, 0.01, 4, max(1, every // 2)
    line = ms.datasets.linear_regression(4096, features, sigma, validation=None, seed=0)
    floor = float(np.linalg.lstsq(line.train.x, line.train.y)[1][0]) / len(line)
    net = ms.Network(ms.Linear(1, bias=False))
    compare(axes[2:], net, line, lr=lr, size=size, every=half, factor=2, seeds=seeds, floor=floor)
    # squared error: h = 2 and c = 4 σ² for every feature; the excess is Σ ½ h E[θ²]
    stages = [features * at_rest(lr / 2**stage, size, 2, 4 * sigma**2) for stage in range(5)]
    axes[2].step(half * np.arange(6), [*stages, stages[-1]], where="post", color="black", lw=1, ls=":", label="formula")
    axes[2].legend(fontsize=8)
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
