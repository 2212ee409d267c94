"""Claim 19: start with a small batch, then grow it."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, below, every, fails
from minisgd.lab.claims.experiments.fixed_budget import Endings, FixedBudget, edges, tuned_losses
from minisgd.lab.claims.experiments.growing import GrowingBudget
from minisgd.lab.claims.pictures import Axes, legend
from minisgd.lab.claims.statistics import Estimate, log_ratio, ratio_of
from minisgd.lab.plots import BLUE, INK, ORANGE, log_axis, spread
from minisgd.typing import Generator, HostArray

EPOCHS = 10

RULE = Rule(
    {
        "better": below(
            "growing leaves at least {margin} less loss than a constant batch with as many updates", QUARTER
        ),
        "fewer": below("it takes at least {margin} fewer updates than the smallest batch", QUARTER),
        "loses": above("it leaves at least {margin} more loss than the smallest batch", QUARTER),
    },
    supported=every("better"),
    qualified=every("fewer", fails("loses")),
)


def judge(rng: Generator, constant: Endings, growing: Endings) -> Finding:
    """Compare the grown batch with a constant one of as many updates, and with the size that it started from."""
    steps, losses = constant.at("steps", constant.tuned()), tuned_losses(constant)  # (K, S)
    grown_steps, grown = growing.at("steps", growing.tuned())[0], tuned_losses(growing)[0]  # (S,)
    better = log_ratio(grown, at_equal_steps(steps, losses, grown_steps))
    kept = log_ratio(grown, losses[0])
    saved = float(np.median(grown_steps) / np.median(steps[0]))
    first, last = constant.batch_sizes[0], constant.batch_sizes[-1]
    text = (
        f"After {EPOCHS} epochs, growing the batch from {first} to {last} leaves "
        f"{words.count(ratio_of(better).value)} times the validation loss of a constant batch with as many updates, "
        f"and {words.count(ratio_of(kept).value)} times that of {first} throughout, with {words.count(saved)} times "
        "the updates."
    )

    def draw(ax: Axes) -> None:
        medians = np.median(steps, axis=1), np.median(losses, axis=1)
        ax.plot(steps, losses, ls="", marker="o", ms=3, color=BLUE, alpha=0.35)
        ax.plot(*medians, marker="o", ms=6, mec="white", lw=1.8, color=BLUE, label="constant batch, by its size")
        ax.plot(grown_steps, grown, ls="", marker="o", ms=3, color=ORANGE, alpha=0.35)
        ax.plot(np.median(grown_steps), np.median(grown), ls="", marker="D", ms=8, mec="white", color=ORANGE,
                label=f"growing from {first} to {last}")  # fmt: skip
        for b, x, y in zip(constant.batch_sizes, *medians, strict=True):
            ax.annotate(str(b), (x, y), (-11, 8), textcoords="offset points", ha="center", fontsize=8.8, color=INK)
        log_axis(ax, *spread(steps.ravel().tolist()), words.short, "updates", which="x")
        log_axis(ax, *spread([*losses.ravel().tolist(), *grown.tolist()]), words.number, "validation loss")
        legend(ax)

    return Finding.of(
        RULE,
        {"better": better, "fewer": Estimate.exact(float(np.log(saved))), "loses": kept},
        [
            Effect.ratio("validation loss: growing / constant with as many updates", better),
            Effect.ratio(f"validation loss: growing / batch size {first}", kept),
            Effect.exact(f"updates: growing / batch size {first}", saved),
        ],
        constant.training_runs + growing.training_runs,
        text,
        draw,
        edges({"constant batch": constant, "growing batch": growing}),
    )


def at_equal_steps(steps: HostArray, losses: HostArray, wanted: HostArray) -> HostArray:
    """Return the loss of a constant batch with so many updates, between those tried, on logarithmic scales.

    steps, losses (K, S), steps descending in K; wanted (S,) to (S,)
    """
    logs = zip(np.log(wanted), np.log(steps[::-1]).T, np.log(losses[::-1]).T, strict=True)
    return np.array([np.exp(np.interp(x, xs, ys)) for x, xs, ys in logs])


CLAIM = Claim(
    number=19,
    says="Start with a small batch, then grow it.",
    sources=("S3",),
    experiment=f"Train {EPOCHS} epochs, that is on equally many examples: with every batch size held constant, and "
    "with one that grows from the smallest to the largest by factors of four, equally long at each. The learning rate "
    "stays during a training run, and is tuned for every one.",
    effect="Ratio of the validation losses of the grown batch and of a constant batch with as many updates "
    "(interpolated between those tried), geometric mean over paired seeds, 95%.",
    rule=RULE,
    would_change="Noise that limits the end of a training run, as from wrong labels or a task that cannot be solved: "
    "there growing the batch quietens it, as decaying the learning rate does.",
    held_fixed="Number of examples, initial weights of each seed, order of the examples, plain SGD.",
    needs={"constant": FixedBudget(epochs=EPOCHS), "growing": GrowingBudget(EPOCHS)},
    judge=judge,
    unseen=True,
)
