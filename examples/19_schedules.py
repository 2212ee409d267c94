"""Constant batch, growing batch, batch warmup, Seesaw, or a stable rate with a decay: which schedule gets further?

Theory. The noise of SGD is in proportion to lr/B, so growing B quiets a training run as decaying lr does, in fewer
updates (Smith et al. 2018, sections 2 and 3). Batch warmup doubles B as soon as the local critical batch size,
measured by branches of the training run, is surely 2B (Merrill et al. 2025, arXiv 2505.23971). Under Adam noise falls
with √B: Seesaw takes lr/√2 and 2B where a schedule would halve lr, for the loss of that decay per example and at most
1 − 2/π of the updates saved (arXiv 2510.14717, abstract). A stable rate with a short decay at its end reaches what
longer decays do (Hu et al. 2024, section 4.2).

Look at: left, equal examples: the validation loss at the end, each schedule at the best of its learning rates, as a
ratio to the constant batch with a 95% interval over paired seeds. Below 1 with all of the interval is better. Right,
equal loss: the examples (dots) and updates (crosses) that it takes to 1.05 times the loss at which the constant batch
ends, as ratios to the constant batch; ∞ where a seed never gets there. Updates of the branches of batch warmup are not
counted. All of it is trained, none simulated.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _style import BLUE, GREY, ORANGE, arguments, panels, save

import minisgd as ms

SIZE, LARGEST = 8, 64

EASIER = 1.05
"""Times the loss at which the constant batch ends: the loss to reach at equal loss, so that others reach it too."""

LEGEND = {"o": "examples", "x": "updates"}
"""What the marks of the right-hand picture count."""

T95 = {1: 12.71, 7: 2.365, 15: 2.131}
"""Student's t at 97.5%, by degrees of freedom."""


def schedules(epochs: int) -> dict[str, Callable[[float], tuple[Any, Any]]]:
    """Return, by name, what makes a learning rate and a batch size of the learning rate at the start."""
    third = epochs / 4  # three halvings, at a quarter, a half and three quarters
    halved = lambda lr: ms.StepDecay(lr, factor=0.5, every=third)  # noqa: E731
    return {
        "constant": lambda lr: (lr, SIZE),
        "lr halved": lambda lr: (halved(lr), SIZE),
        "batch doubled": lambda lr: (lr, ms.GrowBatch(SIZE, LARGEST, every=third)),
        "batch warmup": lambda lr: (
            ms.ScaledByBatch(lr, reference=SIZE, rule="sqrt"),
            ms.BatchWarmup(SIZE, LARGEST, every=250),
        ),
        "Seesaw": lambda lr: ms.seesaw(halved(lr), batch_size=SIZE, largest=LARGEST),
        "stable, then decay": lambda lr: (ms.StableDecay(lr, decay=0.25), SIZE),
    }


def run(data: ms.Dataset, lr: Any, batch_size: Any, epochs: int, seed: int) -> Any:
    """Return the history of one training run."""
    net = ms.Network(ms.Linear(32), ms.ReLU(), ms.Linear(10))
    settings = {"epochs": epochs, "evaluate_every": 0.25, "seed": seed}
    measuring = [batch_size] if isinstance(batch_size, ms.Callback) else []
    run = ms.train(net, data, optimizer=ms.Adam(lr), batch_size=batch_size, callbacks=measuring, **settings)
    return run.history


def reached(history: Any, clock: str, loss: float) -> float:
    """Return the epochs or updates at which the validation loss first was as low; infinite if never."""
    below = np.flatnonzero(np.array(history["val_loss"]) <= loss)
    return float(history[clock][below[0]]) if len(below) else np.inf


def ratio(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Return the geometric mean of a/b over paired seeds, and its 95% interval by Student's t."""
    logs = np.log(a / b)
    half = T95[len(logs) - 1] * logs.std(ddof=1) / np.sqrt(len(logs))
    low, middle, high = np.exp([logs.mean() - half, logs.mean(), logs.mean() + half])
    return float(middle), float(low), float(high)


def main(
    out: Path, epochs: int = 16, seeds: int = 8, rates: tuple[float, ...] = (0.002, 0.004, 0.008, 0.016, 0.032)
) -> None:
    """Tune every schedule, compare them at equal examples and at equal loss, draw."""
    data = ms.datasets.digits(validation=0.3, seed=0)
    noisy = np.random.default_rng(0).permutation(len(data))[: len(data) // 5]
    y = data.train.y.copy()
    y[noisy] = (y[noisy] + 1) % 10  # a fifth of the labels wrong: noise that no network should fit
    data = ms.Dataset.from_arrays(data.train.x, y, validation=(data.validation.x, data.validation.y), scale=data.scale)
    best = {}
    for name, make in schedules(epochs).items():
        tried = {lr: [run(data, *make(lr), epochs, seed) for seed in range(seeds)] for lr in rates}
        # chosen once, by the median over the same seeds; the intervals keep it
        lr = min(tried, key=lambda lr: np.median([h["val_loss"][-1] for h in tried[lr]]))
        best[name] = lr, tried[lr]
    base = best["constant"][1]
    ends = np.array([h["val_loss"][-1] for h in base])
    figure, (equal, soon) = panels("equal examples: loss / constant", "equal loss: cost / constant")
    print(f"{'':20}{'lr':>7}{'updates':>9}   loss / constant          examples / constant      updates / constant")
    for row, (name, (lr, runs)) in enumerate(best.items()):
        loss = ratio(np.array([h["val_loss"][-1] for h in runs]), ends)
        costs = []
        for clock in ("epoch", "step"):
            taken, own = (
                np.array([reached(h, clock, EASIER * e) for h, e in zip(r, ends, strict=True)]) for r in (runs, base)
            )
            costs.append(ratio(taken, own) if np.isfinite(taken).all() else (np.inf, np.inf, np.inf))
        said = "".join(
            f"{m:8.2f} ({a:.2f} to {b:.2f})" if np.isfinite(m) else f"{'∞':>8}" for m, a, b in (loss, *costs)
        )
        print(f"{name:20}{lr:7g}{runs[0]['step'][-1]:9}{said}")
        for ax, found, mark, colour in (
            (equal, loss, "o", BLUE),
            (soon, costs[0], "o", BLUE),
            (soon, costs[1], "x", ORANGE),
        ):
            shift = 0.12 if mark == "x" else 0.0
            ax.plot(found[1:], [row + shift] * 2, color=colour)
            ax.plot(found[0], row + shift, mark, color=colour, label=None if row else LEGEND[mark])
    for ax in (equal, soon):
        ax.axvline(1, color=GREY, lw=1)
        ax.set_yticks(range(len(best)), list(best))
        ax.invert_yaxis()
    soon.legend(loc="upper left")
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
