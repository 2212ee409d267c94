"""How large may the batches of a transformer be, beside those of an MLP on the same task?

The networks, with about 5,000 parameters each, read the same digits: the MLP all pixels at once, the transformer row by
row, as a sequence of eight. Both are trained by Adam, its learning rate tuned at every batch size.

Theory. Steps to a target fall like 1/B while gradient noise is what costs them, and then no further: S(B) = Smin +
Emin/B, with the bend at Bcrit = Emin/Smin (McCandlish et al. 2018, equation 2.11). How far perfect scaling goes
depends on the network, and more on it than on the size of the data set (Shallue et al. 2019).

Look at: on the left, both curves fall together where batches are small, and the transformer's bends sooner; diamonds
are at Bcrit, where twice the fewest steps are needed. On the right, the learning rates that needed the fewest: they
grow with the batch at first, then no more, and the transformer's are a third of the MLP's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _style import BLUE, GREEN, GREY, arguments, panels, save

import minisgd as ms


def transformer() -> ms.Network:
    """Return one block with two heads over the rows of an image; by name, transformer:16,2,1."""
    return ms.Network(
        ms.Reshape(8, 8), ms.Linear(16, init=ms.init.XavierNormal()), ms.PositionalEmbedding(),
        ms.TransformerBlock(16, 2), ms.LayerNorm(), ms.Flatten(), ms.Linear(10),
    )  # fmt: skip


def mlp() -> ms.Network:
    """Return an MLP 64-66-10; by name, mlp:66."""
    return ms.Network(ms.Flatten(), ms.Linear(66), ms.ReLU(), ms.Linear(10))


def main(out: Path, sizes: Sequence[int] = (4, 16, 64, 256), seeds: int = 3) -> None:
    """Study both, print what was found, and draw the curves over each other."""
    data = ms.datasets.digits(images=True, validation=0.2, seed=0)
    figure, (left, right) = panels("steps to a validation loss of 0.2", "best learning rate of Adam")
    for name, network, colour in (("MLP", mlp(), GREEN), ("transformer", transformer(), BLUE)):
        result = ms.study(
            network, data, optimizer=ms.Adam(), batch_sizes=sizes, target_loss=0.2, seeds=seeds, budget=None
        ).result
        rows = [(b.batch_size, b.lr, b.steps_to_target) for b in result.batch_sizes]
        print(f"{name:12}", ", ".join(f"B {b}: {s.median:.0f} (lr {lr:.2g})" for b, lr, s in rows))
        batch, lr = (np.array(column) for column in list(zip(*rows, strict=True))[:2])
        steps = np.array([s.median for *_, s in rows])
        spread = [steps - [s.low for *_, s in rows], [s.high for *_, s in rows] - steps]
        left.errorbar(batch, steps, spread, fmt="o", color=colour, ms=5, lw=1)
        right.plot(batch, lr, color=colour, marker="o", ms=5, label=name)
        fit, fine = result.fit, np.geomspace(batch[0], batch[-1])
        if fit.s_min is None:
            continue
        left.plot(fine, fit.s_min + fit.e_min / fine, color=colour, label=f"{name}: Emin/Smin {fit.b_crit:.0f}")
        left.plot(fit.b_crit, 2 * fit.s_min, "D", color=colour, mfc="white", ms=8)
        print(f"{'':12} {fit}")
    left.plot([], [], "D", color=GREY, mfc="white", ms=8, label="Emin/Smin: twice the fewest steps")
    left.set(xscale="log", yscale="log", xlabel="batch size", ylabel="steps")
    right.set(xscale="log", yscale="log", xlabel="batch size", ylabel="learning rate")
    left.legend()
    right.legend()
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
