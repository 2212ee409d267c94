"""Claim 30: a CNN at batch size 10 and at batch size 100."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import POINT, QUARTER, TEN_PERCENT, Rule, above, below, every, some
from minisgd.lab.claims.experiments.fixed_budget import Endings, FixedBudget, edges
from minisgd.lab.claims.experiments.gradient_variance import GradientVariance, MeasureGradientVariance
from minisgd.lab.claims.experiments.measured import MeasureMemory, Memory, StepTimes, TimeSteps
from minisgd.lab.claims.lab import Lab
from minisgd.lab.claims.pictures import Axes
from minisgd.lab.claims.setting import Setting
from minisgd.lab.claims.statistics import Estimate, difference, log_ratio
from minisgd.lab.plots import BLUE, GREY, INK
from minisgd.typing import Generator

IMAGES = Setting(model="cnn", most=10_000)

SIZES = (10, 100)

EPOCHS = 3

RATES = (0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class TrainImages(FixedBudget):
    """Train for a few epochs, the multiples being learning rates themselves: a pilot would take longer than this."""

    def rates(self, batch_size: int, lab: Lab) -> list[float]:
        return sorted(self.multiples)

    def seconds(self, lab: Lab) -> float:
        trial = lab.trial(self.setting)
        session = trial.prepare(SIZES[-1], lab.seed).session(last_batch="drop")
        session.step()
        begun = perf_counter()
        session.step()
        each = (perf_counter() - begun) / SIZES[-1]
        return each * len(lab.seeds) * len(self.multiples) * len(SIZES) * (self.epochs or 0) * len(trial.data) * 1.5


RULE = Rule(
    {
        "seconds of an epoch": above("at batch size 10 an epoch takes at least {margin} more seconds", QUARTER),
        "memory": below("it takes at least {margin} less memory", TEN_PERCENT),
        "variance of the gradient": above("the gradient has at least {margin} more variance", QUARTER),
        "accuracy": above("it ends with at least {margin} more accuracy", POINT, "points"),
    },
    supported=every("seconds of an epoch", "memory", "variance of the gradient", "accuracy"),
    qualified=some("seconds of an epoch", "memory", "variance of the gradient", "accuracy"),
)


def judge(rng: Generator, times: StepTimes, memory: Memory, noise: GradientVariance, runs: Endings) -> Finding:
    """Ask of batch size 10 whether its epochs take longer, in less memory, with more noise, to a better accuracy."""
    epochs = times.seconds / np.array(times.batch_sizes)  # (V, 2), of one example
    accuracy = runs.at("val_accuracy", runs.tuned("val_accuracy"))  # (2, S)
    small, large = SIZES
    ratios = {
        "seconds of an epoch": log_ratio(epochs[:, 0], epochs[:, 1]),
        "memory": Estimate.exact(float(np.log(memory.measured[0] / memory.measured[1]))),
        "variance of the gradient": log_ratio(noise.variance[0], noise.variance[1]),
    }
    better = difference(accuracy[0], accuracy[1])
    effects = [Effect.ratio(f"{name}: batch size {small} / {large}", ratio) for name, ratio in ratios.items()]
    first, second = (f"{100 * float(row.mean()):.1f}%" for row in accuracy)
    seconds, used, scatter = (f"{effect.value:.3g}" for effect in effects)
    text = (
        f"On {runs.n_train:,} images batch size {small} takes {seconds} times the seconds of an epoch at {large}, "
        f"{used} times the memory and {scatter} times the variance of the gradient; after {EPOCHS} epochs each "
        f"it has {first} validation accuracy, batch size {large} has {second}."
    )

    def draw(ax: Axes) -> None:
        values = np.array([effect.value for effect in effects])
        ends = np.array([[effect.low, effect.high] for effect in effects]).T
        ax.axvline(1, color=GREY, lw=1)
        ax.errorbar(values, range(len(values)), xerr=np.abs(ends - values), fmt="o", ms=7, color=BLUE, capsize=3)
        for row, value in enumerate(values):
            at = dict(xytext=(0, 9), textcoords="offset points", ha="center", fontsize=9, color=INK)
            ax.annotate(f"{value:.3g}", (value, row), **at)
        ax.set_yticks(range(len(values)), labels=["seconds", "memory", "variance"])
        ax.set_ylim(-0.5, len(values) - 0.4)
        ax.set_xscale("log")
        low, high = min(0.5, values.min() / 2), max(2.0, values.max() * 2)
        ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= t <= high]
        ax.set_xlim(low, high)
        ax.set_xticks(ticks, labels=[f"{t:g}" for t in ticks])
        ax.set_xticks([], minor=True)
        ax.set_xlabel(f"batch size {small} / batch size {large}")

    gain = Effect.of(f"validation accuracy: batch size {small} less {large}", better)
    evidence = {**ratios, "accuracy": better}
    cautions = edges({f"{EPOCHS} epochs": runs}, "val_accuracy")
    return Finding.of(RULE, evidence, [*effects, gain], runs.training_runs, text, draw, cautions)


CLAIM = Claim(
    number=30,
    says="Training a CNN on 10,000 images with SGD, batch size 10 takes longer epochs and noisier steps than batch "
    "size 100, but less memory, and generalises better.",
    sources=("S0",),
    experiment=f"Train a small CNN (two convolutions with batch normalisation) on 10,000 of the images, or as many as "
    f"there are, for {EPOCHS} epochs at both batch sizes over one grid of learning rates; time steps and count bytes "
    f"on single networks; take the variance of gradients.",
    effect="Ratios, batch size 10 over 100, of the seconds of an epoch, of memory and of the variance of the gradient; "
    "difference of the best validation accuracies; 95% over visits and paired seeds.",
    rule=RULE,
    would_change="Training long enough at both batch sizes: after few epochs accuracy tells how many updates were "
    "made.",
    held_fixed="Images, number of epochs, initial weights of each seed, plain SGD, learning rate tuned at both.",
    needs={
        "times": TimeSteps(IMAGES, SIZES),
        "memory": MeasureMemory(IMAGES, SIZES),
        "noise": MeasureGradientVariance(IMAGES, SIZES),
        "runs": TrainImages(IMAGES, EPOCHS, batch_sizes=SIZES, multiples=RATES),
    },
    judge=judge,
    unseen=True,
)
