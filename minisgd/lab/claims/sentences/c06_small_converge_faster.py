"""Claim 6: small batches converge faster, as they update more often."""

from __future__ import annotations

from minisgd.lab.claims.claim import Claim, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, every, fails
from minisgd.lab.claims.experiments import three_axes
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.experiments.to_target import CHOSEN, RunToTarget, TargetRuns
from minisgd.typing import Generator

RULE = Rule(
    {
        "examples": above("the largest batch needs at least {margin} more examples than the smallest", QUARTER),
        "lags": above("the smallest takes at least {margin} more seconds than the fastest", QUARTER),
    },
    supported=every("examples", fails("lags")),
    qualified=every("examples"),
)


def judge(rng: Generator, runs: TargetRuns, times: StepTimes) -> Finding:
    """Ask whether the smallest batch needs fewer examples than the largest, and no more time than any."""
    axes = three_axes.compare(runs, times)
    evidence = {"examples": axes.examples, "lags": axes.small_slower}
    text = axes.sentence()
    if all(RULE.statements[name].holds(effect) for name, effect in evidence.items()):
        text += " The smallest batch needs the fewest examples, but not the least time."
    return Finding.of(
        RULE,
        evidence,
        [axes.ratio(axis) for axis in ("examples", "steps", "seconds", "small_slower")],
        runs.training_runs,
        text,
        lambda ax: three_axes.draw(ax, runs, times),
        runs.cautions(),
    )


CLAIM = Claim(
    number=6,
    says="Small batches update the weights more often, and so converge faster.",
    sources=("S1",),
    experiment="Train to the same target at every batch size, each at its tuned learning rate; count examples. "
    f"{CHOSEN}",
    effect="Ratio of the examples to target of the largest and the smallest batch size; 95% over paired seeds.",
    rule=RULE,
    would_change="A critical batch size beyond the batches tried: then examples do not depend on the batch. On a "
    "machine without overhead per step, examples and seconds are one axis.",
    held_fixed="Target, initial weights of each seed, optimizer (plain SGD, learning rate tuned at every batch size).",
    needs={"runs": RunToTarget(), "times": TimeSteps()},
    judge=judge,
    unseen=True,
)
