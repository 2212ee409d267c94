"""Claim 8: large batches may slow convergence."""

from __future__ import annotations

from minisgd.lab.claims.claim import Claim, Finding, Verdict
from minisgd.lab.claims.decision import QUARTER, side
from minisgd.lab.claims.experiments import three_axes
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.experiments.to_target import RunToTarget, TargetRuns
from minisgd.typing import Generator


def judge(rng: Generator, runs: TargetRuns, times: StepTimes) -> Finding:
    """Ask on which axes the largest batch is slower: than the smallest in steps and examples, than any in seconds."""
    axes = three_axes.compare(runs, times, rng)
    sides = axes.sides() | {"seconds": side(axes.slower, QUARTER)}
    slower = [axis for axis, it in sides.items() if it == "more"]
    if "unclear" in sides.values() and not slower:
        verdict: Verdict = "not decided"
    else:
        verdict = ("refuted", "qualified", "supported", "supported")[len(slower)]
    where = " and ".join(slower) or "none of the three axes"
    text = f"{axes.sentence()} It is slower in {where}."
    return Finding(
        verdict,
        axes.ratio("slower") if "seconds" in slower else axes.ratio("examples"),
        runs.training_runs,
        text,
        lambda ax: three_axes.draw(ax, runs, times),
        (axes.ratio("steps"), axes.ratio("examples"), axes.ratio("slower")),
        runs.cautions(),
    )


CLAIM = Claim(
    number=8,
    says="Large batches may slow convergence.",
    sources=("S3",),
    experiment="The training runs of claims 6 and 7, counted in steps, in examples and in seconds.",
    effect="Ratio of the seconds to target of the largest and the fastest batch size, or of the examples against the "
    "smallest where time does not tell them apart; 95% over paired seeds.",
    rule="On each axis, slower means at least 25% more. Supported if the largest batch is slower on two of the three "
    "axes, qualified on one, refuted on none.",
    would_change="Batches below the critical batch size only, on a machine that does them in parallel: then nothing is "
    "lost on any axis.",
    held_fixed="Target, initial weights of each seed, optimizer (plain SGD, learning rate tuned at every batch size).",
    needs={"runs": RunToTarget(), "times": TimeSteps()},
    judge=judge,
)
