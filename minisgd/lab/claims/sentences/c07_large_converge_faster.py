"""Claim 7: large batches converge faster."""

from __future__ import annotations

import math

from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, below, every, fails
from minisgd.lab.claims.experiments import three_axes
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.experiments.to_target import CHOSEN, RunToTarget, TargetRuns
from minisgd.lab.study.curves import critical_with_interval
from minisgd.typing import Generator

RULE = Rule(
    {
        "steps": below("the largest batch needs at least {margin} fewer steps than the smallest", QUARTER),
        "beyond": above("the critical batch size lies beyond the largest batch", 0.0),
        "lags": above("the largest batch takes at least {margin} more seconds than the fastest", QUARTER),
    },
    supported=every("steps", "beyond", fails("lags")),
    qualified=every("steps"),
)


def judge(rng: Generator, runs: TargetRuns, times: StepTimes) -> Finding:
    """Ask whether the largest batch needs fewer steps, and whether that goes on and saves time."""
    axes = three_axes.compare(runs, times)
    critical = runs.critical()
    b_crit = critical.fit.b_crit if critical.fit else math.nan
    beyond = three_axes.log_critical(runs).shifted(-math.log(axes.largest))
    text = axes.sentence()
    if critical.fit:
        both = critical_with_interval(b_crit, critical.b_crit_low, critical.b_crit_high)
        text += f" Doubling the batch halves the steps well below the critical batch size, here {both}."
    effects = [axes.ratio(axis) for axis in ("steps", "examples", "slower")]
    effects.append(Effect("critical batch size Emin/Smin", b_crit, critical.b_crit_low, critical.b_crit_high))
    return Finding.of(
        RULE,
        {"steps": axes.steps, "beyond": beyond, "lags": axes.slower},
        effects,
        runs.training_runs,
        text,
        lambda ax: three_axes.draw(ax, runs, times),
        runs.cautions(),
    )


CLAIM = Claim(
    number=7,
    says="Large batches converge faster.",
    sources=("S1", "S2"),
    experiment=f"Train to the same target at every batch size, each at its tuned learning rate; count steps. {CHOSEN}",
    effect="Ratio of the steps to target of the largest and the smallest batch size; 95% over paired seeds.",
    rule=RULE,
    would_change="More gradient noise (a harder target, a larger and more varied data set) moves the critical batch "
    "size up; a processor with room for parallel work turns fewer steps into less time.",
    held_fixed="Target, initial weights of each seed, optimizer (plain SGD, learning rate tuned at every batch size).",
    needs={"runs": RunToTarget(), "times": TimeSteps()},
    judge=judge,
    unseen=True,
)
