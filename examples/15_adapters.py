"""Adapters against full training: how many numbers must learn for a network to learn another task?

The task. A network that reads digits is to read them lying on their side, from 200 examples. It may train all of its
weights, only its last layer, or that and small parts around layers that do not train: low-rank updates W + s A B of
rank r (LoRA, Hu et al. 2021), or bottlenecks of width m after a layer (Houlsby et al. 2019).

Theory. Where the new task is near the old one, the change of the weights that it takes is of low rank (Aghajanyan et
al. 2020), so few numbers do nearly as much as all. A frozen layer has no gradient and no optimizer state: what learns
is what is kept in memory and saved.

Look at: accuracy on the new task by how many numbers learn. The last layer alone stays behind; updates of a few ranks
come near what all weights reach, and bottlenecks take more numbers for it. The dotted line is where training began.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _style import BLUE, GREEN, GREY, ORANGE, arguments, panels, save

import minisgd as ms


def lying(split: ms.Split) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of a split turned by 90°, and their labels."""
    return np.rot90(split.x.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64).copy(), split.y


def main(out: Path, ranks: Sequence[int] = (1, 2, 4, 8, 16), epochs: float = 60) -> None:
    """Train on upright digits, then on lying ones in every way."""
    upright = ms.datasets.digits(seed=0)
    x, y = lying(upright.train)
    data = ms.Dataset.from_arrays(x[:200], y[:200], validation=lying(upright.validation), scale=upright.scale)
    layers = [ms.Linear(128, name="hidden1"), ms.ReLU(), ms.Linear(64, name="hidden2"), ms.ReLU()]
    net = ms.train(ms.Network(*layers, ms.Linear(10, name="output")), upright, epochs=20, seed=0).network

    frozen = net.freeze("hidden*")
    ways: dict[str, list[ms.Network]] = {
        "all weights": [net],
        "the last layer": [frozen],
        "LoRA": [frozen.adapt("hidden*", ms.LoRA, rank=r) for r in ranks],
        "bottlenecks": [frozen.adapt("hidden*", ms.Adapter, width=m) for m in ranks],
    }
    figure, (ax,) = panels("accuracy on digits that lie on their side")
    before = float((net.predict(data.validation.x).argmax(1) == data.validation.y).mean())
    for (way, starts), colour in zip(ways.items(), (GREY, ORANGE, BLUE, GREEN), strict=True):
        runs = [
            ms.train(start, data, optimizer=ms.Adam(0.003), batch_size=20, epochs=epochs, seed=0) for start in starts
        ]
        numbers, found = [run.network.n_parameters for run in runs], [run.evaluate()["accuracy"] for run in runs]
        ax.plot(numbers, found, color=colour, marker="o", ms=5, label=way)
        for n, accuracy in zip(numbers, found, strict=True):
            print(f"{way:15} {n:6,} numbers learn: {accuracy:.3f}")
    ax.axhline(before, color=GREY, ls=":")
    ax.set(xscale="log", xlabel="numbers that learn", ylabel="held-out accuracy")
    ax.legend()
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
