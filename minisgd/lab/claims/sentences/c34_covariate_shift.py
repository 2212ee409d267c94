"""Claim 34: batch normalisation reduces internal covariate shift."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, Statement, every, some
from minisgd.lab.claims.experiments.input_shift import BATCH, PROBE, STEPS, FollowInputs, InputShift
from minisgd.lab.claims.pictures import Axes
from minisgd.lab.claims.setting import Setting
from minisgd.lab.claims.statistics import log_ratio, ratio_of
from minisgd.lab.plots import BLUE, GREEN, INK, ORANGE, log_axis, spread
from minisgd.typing import Generator

NONE, BATCHED = Setting(norm="none"), Setting(norm="batch")

RULE = Rule(
    {
        "same": Statement(
            "at the same learning rate, the inputs of hidden layers change by at least {margin} less with batch "
            "normalisation",
            "less",
            QUARTER,
        ),
        "own": Statement("so they do at the rate that is best with it", "less", QUARTER),
    },
    supported=every("same", "own"),
    qualified=some("same", "own"),
)


def judge(rng: Generator, none: InputShift, same: InputShift, own: InputShift) -> Finding:
    """Compare how far the inputs move from step to step with batch normalisation and without."""
    typical = [np.exp(np.log(shift.change).mean(axis=0)) for shift in (none, same, own)]  # (S,) each
    evidence = {name: log_ratio(row, typical[0]) for name, row in zip(("same", "own"), typical[1:], strict=True)}
    ratios = {name: ratio_of(effect) for name, effect in evidence.items()}
    text = (
        f"From step to step the inputs of hidden layers move by {words.number(float(np.median(typical[0])))} of their "
        f"spread without batch normalisation; with it, by {words.count(ratios['same'].value)} times as much at the "
        f"same learning rate and {words.count(ratios['own'].value)} times at its own best one."
    )

    def draw(ax: Axes) -> None:
        names = ("without", "with, at the same rate", "with, at its own best rate")
        for shift, name, color in zip((none, same, own), names, (BLUE, ORANGE, GREEN), strict=True):
            ax.plot(np.arange(1, len(shift.change) + 1), np.median(shift.change, axis=1), color=color, label=name)
        seen = [float(x) for shift in (none, same, own) for x in np.median(shift.change, axis=1)]
        log_axis(ax, *spread(seen), words.number, "change of inputs / their spread")
        ax.set_xlabel("steps", fontsize=9.5, color=INK)
        ax.legend(frameon=False, fontsize=8.8, labelcolor=INK)

    effects = [Effect.of(f"change of inputs with / without, at the {name} rate", r) for name, r in ratios.items()]
    n = sum(shift.seeds for shift in (none, same, own))
    cautions = ("Whether inputs that move less are why a network trains faster is another question.",)
    return Finding(RULE.verdict(evidence), effects[0], n, text, draw, (effects[1],), cautions, evidence)


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
