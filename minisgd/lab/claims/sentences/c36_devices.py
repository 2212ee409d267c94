"""Claim 36: several devices shorten training simply."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, Statement, every, some
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.experiments.ranks import Exchange, TimeExchange, rank_times
from minisgd.lab.claims.experiments.to_target import RunToTarget, TargetRuns
from minisgd.lab.claims.pictures import Axes
from minisgd.lab.claims.statistics import log_ratio, ratio_of
from minisgd.lab.plots import BLUE, INK, ORANGE, log_axis, spread
from minisgd.typing import Generator

RULE = Rule(
    {
        "divided": Statement(
            "with one batch size divided among all ranks, one rank takes at least {margin} more seconds to the target "
            "than all of them",
            "more",
            QUARTER,
        ),
        "grown": Statement("so it does with one batch size on every rank", "more", QUARTER),
    },
    supported=every("divided", "grown"),
    qualified=some("divided", "grown"),
)


def judge(rng: Generator, runs: TargetRuns, times: StepTimes, exchange: Exchange) -> Finding:
    """Compare one rank with the most ranks, the batch size of all of them fixed, and that of each."""
    simulated = rank_times(runs, times, exchange)
    tables = {"divided": simulated.fixed_global, "grown": simulated.fixed_each}
    evidence = {name: log_ratio(table[0], table[-1]) for name, table in tables.items()}
    ratios = {name: ratio_of(effect) for name, effect in evidence.items()}
    most = simulated.ranks[-1]
    divided, grown = (words.count(ratios[name].value) for name in ("divided", "grown"))
    text = (
        f"In a simulation one rank takes {divided} times the seconds of {most} that divide its batch, and {grown} "
        f"times those of {most} with a batch like its own each."
    )

    def draw(ax: Axes) -> None:
        for (name, table), color in zip(tables.items(), (BLUE, ORANGE), strict=True):
            ax.plot(simulated.ranks, np.median(table, axis=1), marker="o", lw=1.8, color=color, label=f"batch {name}")
        log_axis(
            ax, *spread([float(x) for t in tables.values() for x in t.ravel()]), words.seconds, "seconds to target"
        )
        ax.set_xlabel("ranks, simulated", fontsize=9.5, color=INK)
        ax.legend(frameon=False, fontsize=8.8, labelcolor=INK)

    effects = [
        Effect.of(f"simulated seconds to target: one rank / {most}, batch {name}", r) for name, r in ratios.items()
    ]
    return Finding(RULE.verdict(evidence), effects[0], runs.training_runs, text, draw, (effects[1],), evidence=evidence)


CLAIM = Claim(
    number=36,
    says="Several devices shorten training simply.",
    sources=("S1",),
    experiment="Simulate 1, 8 and 64 ranks, from the times of a step and of an all-reduce by two ranks, as measured "
    "here, and from the fitted steps to the target: the fastest batch size of one rank divided among them, or on each.",
    effect="Ratio of the simulated seconds to target on one rank and on the most; 95% over paired seeds.",
    rule=RULE,
    would_change="Batches beyond the critical batch size, which more ranks cannot make shorter; a network whose "
    "gradient takes longer to add up than to compute.",
    held_fixed="Target, initial weights of each seed, learning rate tuned for every global batch size.",
    needs={"runs": RunToTarget(), "times": TimeSteps(), "exchange": TimeExchange()},
    judge=judge,
    unseen=True,
)
