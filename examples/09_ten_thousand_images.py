"""A convolutional network on 10,000 images: batches of 10 or of 100?

Theory. A step takes t(B) = t0 + B/r, overhead and work, so an epoch takes N (t0/B + 1/r): a larger batch saves t0,
and little more once B is several times t0·r. But an epoch then has ten times fewer updates, and below the critical
batch size updates are what a network learns from (Shallue et al. 2019, Measuring the effects of data parallelism on
neural network training, section 4.1). The learning rate grows with the batch, here by √10.

Look at: per epoch B = 10 leads. Per second it leads by less, as far as B = 100 gets more images through: "thousand
images a second". Where those are nearly the same, overhead is small even at B = 10, and the two pictures look alike.
On the right the hardest images: the class, or "class → what it was taken for" where that is wrong.

Give --data idx:DIR, a folder with MNIST-style files, for real images of 28×28, of which up to 10,000 are used. Without
it the 1,797 digits inside the package are enlarged from 8×8 to 28×28: the same network and work per image, but fewer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _style import BLUE, ORANGE, arguments, panels, save

import minisgd as ms

RATES = {10: (0.01, ORANGE), 100: (0.03, BLUE)}
"""Batch size to learning rate and colour."""


def enlarged_digits() -> ms.Dataset:
    """Return the digits as images (N, 28, 28, 1): every pixel 3×3 times, and a border of two."""
    small = ms.datasets.digits(validation=None, images=True)
    x = np.pad(np.kron(small.train.x, np.ones((1, 3, 3, 1), np.uint8)), ((0, 0), (2, 2), (2, 2), (0, 0)))
    return ms.Dataset.from_arrays(x, small.train.y, validation=1 / 6, scale=small.scale, name="enlarged digits")


def images(source: str | None) -> ms.Dataset:
    """Return 10,000 images of a source, five of six to train on, or the enlarged digits."""
    if source is None:
        return enlarged_digits()
    found = ms.load(source, validation=1 / 6)
    return found.subset(min(len(found), 8333))


def main(out: Path, source: str | None = None, epochs: float = 4.0, data: ms.Dataset | None = None) -> None:
    """Train at both batch sizes, print, draw the curves and the hardest images."""
    data = data or images(source)
    print(data.describe(), "\n")
    figure, (by_epoch, by_second, hardest) = panels(
        "per epoch", "per second (this machine)", "the hardest images after B = 10"
    )
    print("   B     lr  updates  seconds  thousand images a second   validation accuracy")
    for size, (lr, colour) in RATES.items():
        run = ms.train(
            ms.model("cnn", data.input_shape, data.n_outputs),
            data,
            optimizer=ms.SGD(lr=lr, momentum=0.9),
            batch_size=size,
            epochs=epochs,
            evaluate_every=0.25,
        )
        accuracy, speed = run.history[-1]["val_accuracy"], run.samples_per_second / 1000
        print(f"{size:4}{lr:7}{run.steps:9,}{run.train_seconds:9.1f}{speed:26.2f}{accuracy:22.4f}")
        for ax, clock in ((by_epoch, "epoch"), (by_second, "seconds")):
            ax.plot(
                run.history[clock],
                1 - np.array(run.history["val_accuracy"]),
                color=colour,
                marker=".",
                label=f"B = {size}",
            )
            ax.set(yscale="log", xlabel="epochs" if clock == "epoch" else clock, ylabel="share that is wrong")
            ax.legend()
        if size == 10:
            show_hardest(hardest, run.network, data)
    save(figure, out)


def show_hardest(ax: Any, network: ms.Network, data: ms.Dataset, rows: int = 3, columns: int = 5) -> None:
    """Draw the images of the validation split whose own class wins by least, or loses by most."""
    held = data.validation
    scores = network.predict(held.x)  # (N, 10)
    own = scores[np.arange(len(held)), held.y]
    scores[np.arange(len(held)), held.y] = -np.inf
    rival, lead = scores.argmax(1), own - scores.max(1)
    height, width = data.input_shape[:2]
    for place, i in enumerate(np.argsort(lead)[: rows * columns]):
        row, column = divmod(place, columns)
        x, y = column * (width + 4), row * (height + 10)
        ax.imshow(held.x[i, :, :, 0], cmap="gray_r", extent=(x, x + width, y + height, y))
        name = f"{held.y[i]}" if lead[i] > 0 else f"{held.y[i]} → {rival[i]}"
        ax.text(x + width / 2, y - 1, name, ha="center", va="bottom", fontsize=9)
    ax.set(xlim=(-2, columns * (width + 4)), ylim=(rows * (height + 10), -10), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


if __name__ == "__main__":
    parser = arguments(__file__, __doc__)
    parser.add_argument("--data", help="idx:DIR, or another source of images that ms.load knows")
    options = parser.parse_args()
    main(options.out, options.data)
