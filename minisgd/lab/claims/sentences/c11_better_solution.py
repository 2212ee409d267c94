"""Claim 11: a smoother gradient converges to a better solution."""

from __future__ import annotations

from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, below, every, fails, some
from minisgd.lab.claims.experiments import generalisation_gap as gaps
from minisgd.lab.claims.experiments.fixed_budget import Endings, edges
from minisgd.lab.claims.pictures import each_against_batch
from minisgd.lab.claims.statistics import log_ratio
from minisgd.typing import Generator

RULE = Rule(
    {
        "better steps": below(
            "the largest batch ends with at least {margin} less training loss at equal steps", QUARTER
        ),
        "better epochs": below("it does at equal epochs", QUARTER),
        "worse steps": above("it ends with at least {margin} more at equal steps", QUARTER),
        "worse epochs": above("it ends with at least {margin} more at equal epochs", QUARTER),
    },
    supported=every(fails("worse steps"), fails("worse epochs"), some("better steps", "better epochs")),
    qualified=some("better steps", "better epochs"),
)


def judge(rng: Generator, epochs: Endings, steps: Endings) -> Finding:
    """Compare the final training losses of the largest and the smallest batch at equal steps and at equal epochs."""
    budgets = {"equal steps": steps, "equal epochs": epochs}
    losses = {name: gaps.known(runs.at("train_loss", runs.tuned("train_loss"))) for name, runs in budgets.items()}
    ratios = {name: log_ratio(table[-1], table[0]) for name, table in losses.items()}
    small, large = steps.batch_sizes[0], steps.batch_sizes[-1]
    said = " and ".join(f"{gaps.times(e)} that of batch size {small} at {name}" for name, e in ratios.items())
    return Finding.of(
        RULE,
        {name.replace("equal", way): ratio for way in ("better", "worse") for name, ratio in ratios.items()},
        [Effect.ratio(f"training loss at batch size {large} / {small}, {name}", e) for name, e in ratios.items()],
        steps.training_runs + epochs.training_runs,
        f"The final training loss of batch size {large} is {said}.",
        lambda ax: each_against_batch(ax, steps.batch_sizes, losses, "final training loss"),
        edges(budgets, by="train_loss"),
    )


CLAIM = Claim(
    number=11,
    says="The smoother gradient of a large batch converges to a better solution.",
    sources=("S0",),
    experiment=f"Train for {gaps.LONG} steps, and for 10 epochs, at every batch size over one grid of learning rates; "
    "take the loss over the whole training set at the end.",
    effect="Ratio of the final training losses of the largest and the smallest batch, each at the learning rate with "
    "the least, at equal steps and at equal epochs; 95% over paired seeds.",
    rule=RULE,
    would_change="Counting differently: equal steps favour the large batch, which sees more examples in them, and "
    "equal epochs the small one. Data whose gradients hardly differ make both alike.",
    held_fixed="Initial weights of each seed, plain SGD without decay. Nothing is said of unseen examples here.",
    needs={"epochs": gaps.EPOCHS, "steps": gaps.STEPS},
    judge=judge,
)
