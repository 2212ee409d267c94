"""Full batch, mini-batch, single examples: which is the fastest?

Theory. A gradient of B examples is the full gradient plus noise of variance tr Σ / B, and costs B times the work.
So per *example* small batches learn most, as long as the gradients of different examples agree; per *update* large ones
do; and per *second* the answer lies between, because a machine works on 32 examples almost as fast as on one
(Bottou, Curtis and Nocedal 2018, Optimization methods for large-scale machine learning, sections 3.3 and 4).

Look at: the same three training runs of one network against three clocks. The order of the curves changes with the
clock, and that is all there is to "which is the fastest?". The paths, on a loss with two parameters: smooth, shaken,
wild. Wall-clock seconds are those of your machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _style import BLUE, GREEN, GREY, ORANGE, arguments, panels, save

import minisgd as ms

# name, batch size, learning rate (the best of a grid in factors of two), epochs, colour
DESCENTS = [
    ("stochastic, B = 1", 1, 0.04, 12, ORANGE),
    ("mini-batch, B = 32", 32, 0.64, 40, BLUE),
    ("full batch", "full", 1.28, 1200, GREEN),
]
GOAL = 0.15
"""The loss at which the three are compared."""


def draw_paths(ax: Any) -> None:
    """Draw the paths of the three over the loss of a regression with two parameters."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 2)) * [1.0, 0.45]
    y = x @ [[1.0], [1.0]] + 0.6 * rng.normal(size=(256, 1))
    start = ms.Network(ms.Linear(1, bias=False)).build(2, init=ms.init.Zeros())
    for name, size, lr, epochs, colour in [
        ("B = 1", 1, 0.05, 1, ORANGE),
        ("B = 32", 32, 0.2, 6, BLUE),
        ("full", "full", 0.4, 60, GREEN),
    ]:
        path = ms.Trajectory(every=1)
        ms.train(start, (x, y), optimizer=ms.SGD(lr=lr), batch_size=size, epochs=epochs, callbacks=[path])
        ax.plot(*path.weights.T, color=colour, lw=1.2, marker="." if size == "full" else None, ms=4, label=name)
    w1, w2 = np.meshgrid(np.linspace(-0.2, 1.5, 60), np.linspace(-0.2, 1.5, 60))
    loss = ((x[:, :1, None] * w1 + x[:, 1:, None] * w2 - y[:, :, None]) ** 2).mean(0)
    ax.contour(w1, w2, loss, levels=12, colors=GREY, linewidths=0.5, zorder=0)
    ax.set(xlabel="w₁", ylabel="w₂", xlim=(-0.2, 1.5), ylim=(-0.2, 1.5))
    ax.legend(loc="upper left")


def main(out: Path, share: float = 1.0) -> None:
    """Train, print when each reaches the goal, draw."""
    data = ms.datasets.digits(validation=0.2, seed=0)
    net = ms.Network(ms.Linear(32), ms.ReLU(), ms.Linear(10))
    figure, (paths, *clocks) = panels(
        "paths over two parameters", "per epoch (work)", "per update", "per second (this machine)", rows=2
    )
    draw_paths(paths)
    print(f"{'':20}  first validation loss below {GOAL}\n{'':20}{'epochs':>8}{'updates':>9}{'seconds':>9}   accuracy")
    for name, size, lr, epochs, colour in DESCENTS:
        run = ms.train(
            net,
            data,
            optimizer=ms.SGD(lr=lr),
            batch_size=size,
            epochs=epochs * share,
            evaluate_every=epochs * share / 100,
            seed=0,
        )
        loss = np.array(run.history["val_loss"])
        reached = np.flatnonzero(loss < GOAL)
        at = run.history[int(reached[0]) if reached.size else -1]  # where the last is the answer, it was not reached
        print(f"{name:20}{at['epoch']:8.1f}{at['step']:9,}{at['seconds']:9.3f}{run.evaluate()['accuracy']:11.3f}")
        for ax, clock in zip(clocks, ("epoch", "step", "seconds"), strict=True):
            ax.plot(run.history[clock], loss, color=colour, label=name)
    for ax, label in zip(clocks, ("epochs", "updates", "seconds"), strict=True):
        ax.axhline(GOAL, color=GREY, lw=1, ls=":")
        ax.set(xscale="log", yscale="log", xlabel=label, ylabel="validation loss")
    clocks[1].legend(loc="upper right")
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
