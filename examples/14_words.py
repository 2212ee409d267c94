"""Words as features: which of them tell what a text is about, and does the batch size matter for rare ones?

The data. 2,000 paragraphs from the docstrings of Python's standard library, of eight topics. A lexicon of the training
texts turns each into numbers: how often a word occurs, times how rare it is among all texts, brought to length 1
(tf-idf; Salton and Buckley 1988). Only a few of some thousand numbers are not 0.

Theory. A word of few texts has a gradient in few batches: averaged over a batch of B, its step is lr/B of that in a
batch of one, and comes as often as one of its texts does. With lr in proportion to B nothing changes, as for all words;
with lr fixed, large batches leave rare words behind. Adam divides by the root of the mean square, so rare words take
steps of the size of the others' (Kingma and Ba 2015, section 6.1).

Look at: on the left, the words with the largest weights of each topic in a linear model. On the right, accuracy after
as many epochs by batch size: SGD with a fixed rate loses, with a rate in proportion to B it does not until that is too
large, and Adam not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _style import BLUE, GREEN, GREY, arguments, panels, save

import minisgd as ms

OPTIMIZERS = {
    "SGD, lr 0.5": (GREY, lambda batch_size: ms.SGD(0.5)),
    "SGD, lr 0.5 · B/8": (BLUE, lambda batch_size: ms.SGD(0.5 * batch_size / 8)),
    "Adam, lr 0.01": (GREEN, lambda batch_size: ms.Adam(0.01)),
}


def main(out: Path, sizes: Sequence[int] = (2, 8, 32, 128, 512), epochs: float = 20) -> None:
    """Train linear models at every batch size by every optimizer, and look into one of them."""
    data = ms.datasets.docstrings(seed=0)
    print(data.describe())
    figure, (left, right) = panels("words with the largest weights", f"accuracy after {epochs:g} epochs")
    for name, (colour, make) in OPTIMIZERS.items():
        found = []
        for size in sizes:
            run = ms.train(
                ms.Network(ms.Linear(8, init=ms.init.Zeros())), data, optimizer=make(size), batch_size=size,
                epochs=epochs, seed=0,
            )  # fmt: skip
            found.append(run.evaluate()["accuracy"])
        print(f"{name:18}", "  ".join(f"B = {size}: {value:.3f}" for size, value in zip(sizes, found, strict=True)))
        right.plot(sizes, found, color=colour, marker="o", ms=4, label=name)
    right.set(xscale="log", xlabel="batch size", ylabel="held-out accuracy")
    right.legend()

    words, weights = np.array(data.encoding.features()), run.network.parameters()["0.W"]  # (V, 8), of the last run
    left.axis("off")
    for topic, column in enumerate(weights.T):
        largest = words[np.argsort(-column)[:6]]
        line = 1 - (topic + 0.5) / 8
        left.text(0, line, data.classes[topic], weight="bold", transform=left.transAxes, va="center")
        left.text(0.2, line, "  ".join(largest), transform=left.transAxes, va="center")
        print(f"{data.classes[topic]:9}", *largest)
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
