"""Claim 44: scale the learning rate linearly with SGD, and by the square root with Adam."""

from __future__ import annotations

import math

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import TEN_PERCENT, Rule, below, every, some
from minisgd.lab.claims.experiments.critical import cautions
from minisgd.lab.claims.experiments.to_target import TargetRuns
from minisgd.lab.claims.pictures import each_against_batch
from minisgd.lab.claims.sentences.c17_learning_rate import log_optima, optima
from minisgd.lab.claims.sentences.c38_newer_optimizers import CLAIM as OPTIMIZERS
from minisgd.lab.claims.statistics import Estimate, drawn
from minisgd.typing import Generator, HostArray

POWERS = {"linear": 1.0, "square root": 0.5, "none": 0.0}
"""lr ∝ B^power, by the name of the rule."""

EXPECTED = {"SGD": "linear", "Adam": "square root", "Lion": "square root", "Muon": "square root"}

RULE = Rule(
    {
        "SGD": below(
            "with SGD the linear rule misses the tuned learning rates by at least {margin} less than the square root",
            TEN_PERCENT,
        ),
        "Adam": below(
            "with Adam the square root misses them by at least {margin} less than the linear rule", TEN_PERCENT
        ),
    },
    supported=every("SGD", "Adam"),
    qualified=some("SGD", "Adam"),
)


def judge(rng: Generator, sgd: TargetRuns, adam: TargetRuns, lion: TargetRuns, muon: TargetRuns) -> Finding:
    """Ask how far each rule is from the tuned learning rates of every optimizer, whatever rate it starts from."""
    runs = {"SGD": sgd, "Adam": adam, "Lion": lion, "Muon": muon}
    ratios = {name: advantage(each, EXPECTED[name], rng) for name, each in runs.items()}
    said = []
    for name, each in runs.items():
        tuned = log_optima(each, _mean_logs(each))
        off = {rule: math.exp(float(_miss(each, tuned, power)[0])) for rule, power in POWERS.items()}
        best = min(off, key=off.__getitem__)
        factors = ", ".join(f"{rule} {words.count(factor)}" for rule, factor in off.items())
        rule = "no scaling" if best == "none" else f"the {best} rule"
        said.append(f"{name}: {rule} ({factors})" if math.isfinite(off[best]) else f"{name}: unknown")
    rates = {name: optima(runs[name]) for name in ("SGD", "Adam")}
    return Finding.of(
        RULE,
        {name: ratios[name] for name in RULE.statements},
        [
            Effect.ratio(f"miss with {name}: {EXPECTED[name]} rule / the other of linear and square root", ratio)
            for name, ratio in ratios.items()
        ],
        sum(each.training_runs for each in runs.values()),
        "The rule that comes nearest to the tuned learning rates, with the typical factor by which each misses: "
        f"{'; '.join(said)}.",
        lambda ax: each_against_batch(ax, sgd.batch_sizes, rates, "best learning rate"),
        cautions(tuple(runs.values()), tuple(runs)),
    )


def advantage(runs: TargetRuns, rule: str, rng: Generator) -> Estimate:
    """Estimate the log-ratio of the miss of a rule and of the other one, lr* chosen anew in every draw."""
    other = "linear" if rule == "square root" else "square root"

    def statistic(means: HostArray) -> HostArray:
        tuned = log_optima(runs, means)
        return np.asarray(np.log(_miss(runs, tuned, POWERS[rule]) / _miss(runs, tuned, POWERS[other])))

    return drawn(statistic, np.log(np.concatenate(runs.steps)), rng)


def _miss(runs: TargetRuns, tuned: HostArray, power: float) -> HostArray:
    """Return the root mean square of log lr* − power · log B about its mean, at least what 10% would be.

    tuned (K, D), not a number where no rate reached the target, to (D,), not a number with fewer than three of them
    """
    left = tuned - power * np.log(np.array(runs.batch_sizes, float))[:, None]
    known = np.isfinite(left)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, left, 0.0).sum(axis=0) / count
    square = np.square(np.where(known, left - mean, 0.0)).sum(axis=0) / count
    return np.where(count > 2, np.hypot(np.sqrt(square), TEN_PERCENT), np.nan)


def _mean_logs(runs: TargetRuns) -> HostArray:
    """Return the mean log steps of every learning rate, (1, L of all batch sizes)."""
    return np.asarray(np.log(np.concatenate(runs.steps)).mean(axis=1)[None])


CLAIM = Claim(
    number=44,
    says="Scale the learning rate linearly with SGD, and by the square root with Adam.",
    sources=("Goyal et al. 2017, section 2.1", "Malladi et al. 2022, definition 5"),
    experiment="Training runs of claim 38, with SGD, Adam, Lion and Muon to the same target over a grid of learning "
    "rates; lr* takes the fewest steps. A rule predicts lr* at all batch sizes but for one factor, which suits it "
    "best. Malladi's rule changes lr as the square root does; those of half-life and time scale leave it.",
    effect="Ratio of the root mean square log errors of both rules, the expected one over the other, by optimizer; 95% "
    "over paired seeds, lr* chosen anew each time.",
    rule=RULE,
    would_change="Batches beyond the critical batch size, where lr* no longer grows, or falls with methods that take "
    "the sign (Li et al. 2024).",
    held_fixed="Target, initial weights of each seed; all but the learning rate.",
    needs=OPTIMIZERS.needs,
    judge=judge,
    unseen=True,
)
