"""Restricted Boltzmann machines of digits: what does batch size do where the gradient itself is only estimated?

The model. Hidden units h and pixels v are on or off, p(v, h) ∝ exp(v W hᵀ + a·v + b·h). The gradient of the likelihood
is what the data say minus what the machine dreams, and dreams take long: contrastive divergence wakes the machine after
k Gibbs steps from the data (Hinton 2002), persistent contrastive divergence lets it dream on (Tieleman 2008).

Theory. CD-1 follows another function than the likelihood (Sutskever and Tieleman 2010); its bias does not fall with the
batch, while noise does. Persistent chains are right once they have mixed, which takes small learning rates; here they
are as many as the batch has examples. With 12 hidden units Z is a sum over 4,096 states, so that ln p is exact.

Look at: on the left, the exact likelihood of held-out digits by batch size, after as many epochs: noise hurts less than
few updates do, though the learning rate grows with √B, and persistent chains are a little ahead. Beside it what 64
hidden units look for: strokes and their surroundings. Below, a row of held-out digits, a row of what the machine gives
back of them, and dreams after 1,000 steps from noise; and an MLP whose hidden layers begin as two machines, one on the
other, against one that begins at random, trained on few labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _style import BLUE, GREEN, GREY, arguments, panels, save

import minisgd as ms


def binary_digits() -> tuple[np.ndarray, np.ndarray, ms.Dataset]:
    """Return training and validation images, pixels 0 or 1, and the data set with its labels."""
    data = ms.datasets.digits(seed=0)
    train, held = ((split.x * data.scale > 0.4).astype(np.float32) for split in (data.train, data.validation))
    return train, held, data


def machine(x: np.ndarray, layer: ms.RBM, batch_size: int, epochs: float) -> ms.BoltzmannMachine:
    """Return a machine trained on x; there are no targets. Its learning rate grows with √B and falls to 0."""
    data = ms.Dataset.from_arrays(x, np.zeros((len(x), 1)), validation=None)
    optimizer = ms.SGD(ms.Cosine(0.05 * (batch_size / 10) ** 0.5))
    run = ms.train(
        ms.Network(layer), data, loss="energy", optimizer=optimizer, batch_size=batch_size, epochs=epochs, seed=0
    )
    return ms.BoltzmannMachine.of(run.network)


def stacked(x: np.ndarray, mlp: ms.Network, epochs: float) -> ms.Network:
    """Return the MLP with hidden layers that begin as machines, each trained on what the one below makes of x."""
    for name in ("hidden1", "hidden2"):
        learned = machine(x, ms.RBM(64), 10, epochs)
        mlp, x = learned.stacked(mlp, name), learned.hidden(x).astype(np.float32)
    return mlp


def tiles(images: np.ndarray, columns: int) -> np.ndarray:
    """Return images of 64 pixels side by side, each scaled to its own range."""
    images = images - images.min(1, keepdims=True)
    images = np.pad((images / images.max(1, keepdims=True)).reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    return np.vstack([np.hstack(images[i : i + columns]) for i in range(0, len(images), columns)])


def main(out: Path, sizes: Sequence[int] = (2, 5, 10, 30, 100, 300), epochs: float = 60) -> None:
    """Train machines at every batch size, one to look at, and an MLP on top of two."""
    train, held, data = binary_digits()
    figure, (left, filters, dreams, right) = panels(
        "ln p of held-out digits, exact", "what hidden units look for", "digits, given back; dreams",
        "accuracy with 200 labels", rows=2,
    )  # fmt: skip
    for name, colour in (("CD-1", BLUE), ("persistent", GREEN)):
        found = []
        for size in sizes:
            layer = ms.RBM(12, chains=size if name == "persistent" else 0, init=ms.init.Normal(0.1))
            found.append(machine(train, layer, size, epochs).log_likelihood(held))
            print(f"{name:10} B = {size:3}: ln p = {found[-1]:.2f}")
        left.plot(sizes, found, color=colour, marker="o", ms=4, label=name)
    left.set(xscale="log", xlabel="batch size", ylabel="nats an image")
    left.legend()

    seen = machine(train, ms.RBM(64, chains=50), 50, 2 * epochs)
    error = np.square(seen.reconstruct(held) - held).mean()
    print(f"64 units: reconstruction {error:.3f}, pseudo-likelihood {seen.pseudo_log_likelihood(held):.1f}")
    given_back = np.concatenate([held[:8], seen.reconstruct(held[:8]), seen.sample(32, steps=1000)])
    for ax, images in ((filters, seen.W.T[:48]), (dreams, given_back)):
        ax.imshow(tiles(images, 8), cmap="gray_r")
        ax.axis("off")

    few = ms.Dataset.from_arrays(train[:200], data.train.y[:200], validation=(held, data.validation.y))
    layers = [ms.Linear(64, name="hidden1"), ms.Sigmoid(), ms.Linear(64, name="hidden2"), ms.Sigmoid(), ms.Linear(10)]
    start = ms.Network(*layers).build((64,))
    for name, net, colour in (("random", start, GREY), ("two machines", stacked(train, start, epochs), GREEN)):
        run = ms.train(net, few, optimizer=ms.Adam(0.003), batch_size=20, epochs=epochs / 2, seed=0)
        right.plot([row["epoch"] for row in run.history], [row["val_accuracy"] for row in run.history], color=colour)
        right.plot([], [], color=colour, label=name)
        print(f"{name}: {run.history[-1]['val_accuracy']:.3f}")
    right.set(xlabel="epoch", ylabel="held-out accuracy")
    right.legend(loc="lower right")
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
