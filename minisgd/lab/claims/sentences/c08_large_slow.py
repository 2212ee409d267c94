"""Claim 8: large batches may slow convergence."""

from __future__ import annotations

from minisgd.lab.claims.claim import Claim, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, some
from minisgd.lab.claims.experiments import three_axes
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.experiments.to_target import CHOSEN, RunToTarget, TargetRuns
from minisgd.typing import Generator

RULE = Rule(
    {
        "steps": above("the largest batch needs at least {margin} more steps than the smallest", QUARTER),
        "examples": above("it needs at least {margin} more examples than the smallest", QUARTER),
        "seconds": above("it needs at least {margin} more seconds than the fastest", QUARTER),
    },
    supported=some("steps", "examples", "seconds", least=2),
    qualified=some("steps", "examples", "seconds"),
)


def judge(rng: Generator, runs: TargetRuns, times: StepTimes) -> Finding:
    """Ask on which axes the largest batch is slower: than the smallest in steps and examples, than any in seconds."""
    axes = three_axes.compare(runs, times)
    evidence = {"steps": axes.steps, "examples": axes.examples, "seconds": axes.slower}
    slower = [axis for axis, effect in evidence.items() if RULE.statements[axis].holds(effect)]
    where = " and ".join(slower) or "none of the three axes"
    main = "slower" if "seconds" in slower else "examples"
    return Finding.of(
        RULE,
        evidence,
        [axes.ratio(axis) for axis in (main, "steps", "examples", "slower")],
        runs.training_runs,
        f"{axes.sentence()} It is slower in {where}.",
        lambda ax: three_axes.draw(ax, runs, times),
        runs.cautions(),
    )


CLAIM = Claim(
    number=8,
    says="Large batches may slow convergence.",
    sources=("S3",),
    experiment=f"The training runs of claims 6 and 7, counted in steps, in examples and in seconds. {CHOSEN}",
    effect="Ratio of the seconds to target of the largest and the fastest batch size, or of the examples against the "
    "smallest where time does not tell them apart; 95% over paired seeds.",
    rule=RULE,
    would_change="Batches below the critical batch size only, on a machine that does them in parallel: then nothing is "
    "lost on any axis.",
    held_fixed="Target, initial weights of each seed, optimizer (plain SGD, learning rate tuned at every batch size).",
    needs={"runs": RunToTarget(), "times": TimeSteps()},
    judge=judge,
    unseen=True,
)
