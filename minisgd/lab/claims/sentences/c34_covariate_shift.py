"""Claim 34: batch normalisation reduces internal covariate shift."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, below, every, some
from minisgd.lab.claims.experiments.input_shift import BATCH, PROBE, STEPS, FollowInputs, InputShift
from minisgd.lab.claims.pictures import Axes, legend
from minisgd.lab.claims.setting import Setting
from minisgd.lab.claims.statistics import log_ratio, ratio_of
from minisgd.lab.plots import BLUE, GREEN, ORANGE, log_axis, spread
from minisgd.typing import Generator

NONE, BATCHED = Setting(norm="none"), Setting(norm="batch")

RULE = Rule(
    {
        "same": below(
            "at the same learning rate, the inputs of hidden layers change by at least {margin} less with batch "
            "normalisation",
            QUARTER,
        ),
        "own": below("so they do at the rate that is best with it", QUARTER),
    },
    supported=every("same", "own"),
    qualified=some("same", "own"),
)


def judge(rng: Generator, none: InputShift, same: InputShift, own: InputShift) -> Finding:
    """Compare how far the inputs move from step to step with batch normalisation and without."""
    shifts = {"without": none, "with, at the same rate": same, "with, at its own best rate": own}
    without, *with_ = (np.exp(np.log(shift.change).mean(axis=0)) for shift in shifts.values())  # (S,) each
    evidence = {name: log_ratio(row, without) for name, row in zip(("same", "own"), with_, strict=True)}
    times = {name: words.count(ratio_of(effect).value) for name, effect in evidence.items()}
    text = (
        f"From step to step the inputs of hidden layers move by {words.number(float(np.median(without)))} of their "
        f"spread without batch normalisation; with it, by {times['same']} times as much at the same learning rate and "
        f"{times['own']} times at its own best one."
    )

    def draw(ax: Axes) -> None:
        medians = {name: np.median(shift.change, axis=1) for name, shift in shifts.items()}
        for (name, row), color in zip(medians.items(), (BLUE, ORANGE, GREEN), strict=True):
            ax.plot(np.arange(1, len(row) + 1), row, color=color, label=name)
        seen = np.concatenate(list(medians.values())).tolist()
        log_axis(ax, *spread(seen), words.number, "change of inputs / their spread")
        ax.set_xlabel("steps")
        legend(ax)

    return Finding.of(
        RULE,
        evidence,
        [Effect.ratio(f"change of inputs with / without, at the {name} rate", e) for name, e in evidence.items()],
        sum(shift.seeds for shift in shifts.values()),
        text,
        draw,
        ["Whether inputs that move less are why a network trains faster is another question."],
    )


CLAIM = Claim(
    number=34,
    says="Batch normalisation reduces internal covariate shift.",
    sources=("S4",),
    experiment=f"Train {STEPS} steps of {BATCH} examples without batch normalisation, with it at the same learning "
    f"rate, and with it at its own best rate; after every step, send the same {PROBE} examples through the layers.",
    effect="Ratio, with and without, of the change of mean and spread of the hidden layers' inputs from step to step, "
    "in units of their spread, geometric mean over steps and layers; 95% over paired seeds.",
    rule=RULE,
    would_change="A higher learning rate, which normalisation allows, moves the inputs further again; layers whose "
    "inputs hardly move have nothing to be reduced.",
    held_fixed="Initial weights of the dense layers, examples looked at, batches, plain SGD.",
    needs={
        "none": FollowInputs(NONE, NONE),
        "same": FollowInputs(BATCHED, NONE),
        "own": FollowInputs(BATCHED, BATCHED),
    },
    judge=judge,
    learns=False,
)
