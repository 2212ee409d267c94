"""Does the critical batch size follow the amount of data, or the width of the network?

Theory. In language models the critical batch size grows with the data and hardly with the model: wider networks take
the same steps to a lower loss, more data are a longer way to go (Zhang et al. 2024, How does critical batch size scale
in pre-training?, abstract, arXiv 2410.21676). They call the batch size critical where steps exceed linear scaling by
20%; on the curve S(B) = Smin + Emin/B that is 0.2 Emin/Smin, so both definitions grow alike.

Look at: along a line the data grow, from line to line the network. Every point is trained: a study of its own, to the
validation loss that so much data allow (the one at which a training run of the same length has done 90% of its way).
Bars are 95% intervals. The slopes at the end come from all nine points: d log Bcrit / d log N and / d log width, with
the intervals of a least-squares plane; where one contains 0, the digits cannot tell that it matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _style import BLUE, GREEN, ORANGE, arguments, panels, save

import minisgd as ms

SIZES = (4, 16, 64, 256)

T95 = {6: 2.447, 1: 12.71}
"""Student's t at 97.5%, by degrees of freedom: nine points, or four, less a plane's three."""


def reachable(net: ms.Network, data: ms.Dataset, epochs: int) -> float:
    """Return the validation loss at 90% of the way, in logarithms, from the first epoch of a run to the best."""
    run = ms.train(net, data, optimizer=ms.SGD(lr=0.1), batch_size=16, epochs=epochs, seed=0)
    loss = np.array(run.history["val_loss"])
    return float(loss[0] ** 0.1 * loss.min() ** 0.9)


def plane(n: np.ndarray, width: np.ndarray, b_crit: np.ndarray) -> list[tuple[float, float]]:
    """Return both slopes of log Bcrit with the half widths of their 95% intervals, by least squares."""
    terms = np.column_stack([np.ones(len(n)), np.log(n), np.log(width)])
    slopes, (squares,), *_ = np.linalg.lstsq(terms, np.log(b_crit))
    freedom = len(n) - 3
    errors = np.sqrt(np.diag(np.linalg.inv(terms.T @ terms)) * squares / freedom)
    return [(float(slopes[k]), float(T95[freedom] * errors[k])) for k in (1, 2)]


def main(
    out: Path,
    parts: Sequence[float] = (0.25, 0.5, 1.0),
    widths: Sequence[int] = (8, 16, 32),
    seeds: int = 4,
    epochs: int = 10,
) -> None:
    """Study the digits at every amount of data and width; print, fit the plane, draw."""
    whole = ms.datasets.digits(validation=0.2, seed=0)
    figure, (ax,) = panels("critical batch size Emin/Smin of an MLP on digits")
    points = []
    for width, colour in zip(widths, (BLUE, ORANGE, GREEN), strict=False):
        net, drawn = ms.Network(ms.Linear(width), ms.ReLU(), ms.Linear(10)), []
        for part in parts:
            data = whole.subset(round(part * len(whole)), seed=0)
            target = reachable(net, data, epochs)
            fit = ms.study(
                net,
                data,
                optimizer=ms.SGD(lr=0.1),
                batch_sizes=SIZES,
                seeds=seeds,
                target_loss=target,
                budget=None,
            ).result.fit
            print(f"N {len(data):5}, width {width:3}, to a loss of {target:.3f}: {fit}")
            if fit.s_min is not None and 0 < fit.b_crit < np.inf:
                drawn.append((len(data), fit.b_crit, *np.clip(fit.interval, fit.b_crit / 10, fit.b_crit * 10)))
                points.append((len(data), width, fit.b_crit))
        if drawn:
            n, b, low, high = np.array(drawn).T
            ax.errorbar(n * width**0.02, b, [b - low, high - b], fmt="o-", color=colour, label=f"width {width}")
    ax.set(xscale="log", yscale="log", xlabel="training examples", ylabel="critical batch size")
    ax.legend(loc="lower right")
    if len(points) - 3 in T95:
        for name, (slope, half) in zip(("N", "width"), plane(*np.array(points).T), strict=True):
            print(f"d log Bcrit / d log {name}: {slope:.2f}, 95% interval {slope - half:.2f} to {slope + half:.2f}")
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
