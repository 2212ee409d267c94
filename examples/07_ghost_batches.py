"""What does batch normalisation do from batches of 2 to the full set, and what do ghost batches change?

Theory. The variance of n values has the mean (n − 1)/n σ² and a relative error of √(2/(n − 1)): with n = 2 a batch is
normalised by a number as likely half as double, and training sees another network than evaluation, which uses
running statistics. With all examples at once that noise is gone, and with it what it did as a regulariser. Ghost
batches bring it back: they normalise runs of 16 examples apart (Hoffer, Hubara and Soudry 2017, Train longer,
generalize better, algorithm 1).

Look at: left, the error on new digits, with bars of one standard error over the seeds. Normalisation fails at 2 and is
the best from 8 on. From 256 on ghosts come out ahead, by one to two bars: a hint, with so few digits and seeds. Right,
one network measured twice. The loss in training is larger the smaller the ghosts, whatever the batch: the noise.
Even the full batch is shuffled where there are ghosts: else they would be the same 16 digits every time, to be learnt
by heart.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from _style import BLUE, GREEN, GREY, ORANGE, arguments, panels, save

import minisgd as ms

SIZES = (2, 4, 8, 16, 32, 64, 256, 512, 1024)
GHOST = 16
NORMS: dict[str, tuple[Callable[[], list[ms.Layer]], str]] = {
    "batch normalisation": (lambda: [ms.BatchNorm()], BLUE),
    f"in ghosts of {GHOST}": (lambda: [ms.BatchNorm(ghost=GHOST)], ORANGE),
    "layer normalisation": (lambda: [ms.LayerNorm()], GREEN),
    "none": (lambda: [], GREY),
}


def losses_and_error(
    data: ms.Dataset, norm: Callable[[], list[ms.Layer]], size: int, steps: int, seed: int
) -> tuple[float, float, float]:
    """Train; return the loss in training, the loss of the same digits in evaluation, and the error on new ones."""
    net = ms.Network(ms.Linear(64), *norm(), ms.ReLU(), ms.Linear(32), *norm(), ms.ReLU(), ms.Linear(10))
    run = ms.train(
        net,
        data,
        optimizer=ms.SGD(lr=0.01 * size**0.5, momentum=0.9),
        batch_size=size,
        steps=steps,
        last_batch="drop",  # a last batch of one could not be normalised
        evaluate_every=steps * size / len(data) / 8,  # the last record has the batches of the last eighth
        seed=seed,
    )
    return run.history[-1]["train_loss"], run.evaluate("train")["loss"], 1 - run.evaluate()["accuracy"]


def main(out: Path, sizes: tuple[int, ...] = SIZES, seeds: int = 4, steps: int = 400) -> None:
    """Train every network at every batch size for the same number of updates; print and draw."""
    data = ms.datasets.digits(validation=773 / 1797)
    figure, (error, loss) = panels("error on new digits", "loss of the training digits, measured twice")
    print(f"{len(data):,} digits, {steps} updates each, lr in proportion to √B\n")
    print(f"{'':20}     B   new digits wrong   loss in training   in evaluation")
    for name, (norm, colour) in NORMS.items():
        found = np.array([[losses_and_error(data, norm, size, steps, seed) for seed in range(seeds)] for size in sizes])
        mean, bar = found.mean(1), found.std(1) / max(1, seeds - 1) ** 0.5  # (sizes, 3)
        for size, (training, evaluation, wrong), (_, _, doubt) in zip(sizes, mean, bar, strict=True):
            print(f"{name:20}{size:6}{wrong:10.2%} ± {doubt:.2%}{training:17.4f}{evaluation:16.4f}")
        error.errorbar(sizes, mean[:, 2], bar[:, 2], color=colour, marker="o", ms=4, label=name)
        if name in list(NORMS)[:2]:
            loss.plot(sizes, mean[:, 0], color=colour, marker="o", ms=4, label=f"{name}: in training")
            loss.plot(sizes, mean[:, 1], color=colour, marker="o", ms=4, ls="--", mfc="white", label="in evaluation")
    for ax, label in ((error, "share that is wrong"), (loss, "mean loss")):
        ax.set(xscale="log", yscale="log", xlabel="batch size", ylabel=label)
        ax.legend(fontsize=8)
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
