"""Claim 36: several devices shorten training simply."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, every, some
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.experiments.ranks import Exchange, TimeExchange, rank_times
from minisgd.lab.claims.experiments.to_target import RunToTarget, TargetRuns
from minisgd.lab.claims.pictures import Axes, legend
from minisgd.lab.claims.statistics import log_ratio, ratio_of
from minisgd.lab.plots import BLUE, ORANGE, log_axis, spread
from minisgd.typing import Generator

RULE = Rule(
    {
        "divided": above(
            "with one batch size divided among all ranks, one rank takes at least {margin} more seconds to the target "
            "than all of them",
            QUARTER,
        ),
        "grown": above("so it does with one batch size on every rank", QUARTER),
    },
    supported=every("divided", "grown"),
    qualified=some("divided", "grown"),
)


def judge(rng: Generator, runs: TargetRuns, times: StepTimes, exchange: Exchange) -> Finding:
    """Compare one rank with the most ranks, the batch size of all of them fixed, and that of each."""
    simulated = rank_times(runs, times, exchange)
    tables = {"divided": simulated.fixed_global, "grown": simulated.fixed_each}
    evidence = {name: log_ratio(table[0], table[-1]) for name, table in tables.items()}
    most = simulated.ranks[-1]
    divided, grown = (words.count(ratio_of(effect).value) for effect in evidence.values())
    text = (
        f"In a simulation one rank takes {divided} times the seconds of {most} that divide its batch, and {grown} "
        f"times those of {most} with a batch like its own each."
    )

    def draw(ax: Axes) -> None:
        for (name, table), color in zip(tables.items(), (BLUE, ORANGE), strict=True):
            ax.plot(simulated.ranks, np.median(table, axis=1), marker="o", lw=1.8, color=color, label=f"batch {name}")
        seen = np.concatenate(list(tables.values())).ravel().tolist()
        log_axis(ax, *spread(seen), words.seconds, "seconds to target")
        ax.set_xlabel("ranks, simulated")
        legend(ax)

    effects = [
        Effect.ratio(f"simulated seconds to target: one rank / {most}, batch {name}", effect)
        for name, effect in evidence.items()
    ]
    return Finding.of(RULE, evidence, effects, runs.training_runs, text, draw)


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
