"""Claim 11: a smoother gradient converges to a better solution."""

from __future__ import annotations

from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, Statement, every, fails, some
from minisgd.lab.claims.experiments import generalisation_gap as gaps
from minisgd.lab.claims.experiments.fixed_budget import Endings, edges
from minisgd.lab.claims.pictures import Axes, against_batch
from minisgd.lab.claims.statistics import log_ratio, ratio_of
from minisgd.lab.plots import BLUE, ORANGE
from minisgd.typing import Generator

RULE = Rule(
    {
        "better steps": Statement(
            "the largest batch ends with at least {margin} less training loss at equal steps", "less", QUARTER
        ),
        "better epochs": Statement("it does at equal epochs", "less", QUARTER),
        "worse steps": Statement("it ends with at least {margin} more at equal steps", "more", QUARTER),
        "worse epochs": Statement("it ends with at least {margin} more at equal epochs", "more", QUARTER),
    },
    supported=every(fails("worse steps"), fails("worse epochs"), some("better steps", "better epochs")),
    qualified=some("better steps", "better epochs"),
)


def judge(rng: Generator, epochs: Endings, steps: Endings) -> Finding:
    """Compare the final training losses of the largest and the smallest batch at equal steps and at equal epochs."""
    losses = {name: gaps.known(runs.at("train_loss", runs.tuned("train_loss")))
              for name, runs in (("steps", steps), ("epochs", epochs))}  # fmt: skip
    ratios = {name: log_ratio(table[-1], table[0]) for name, table in losses.items()}
    evidence = {f"{way} {name}": ratio for way in ("better", "worse") for name, ratio in ratios.items()}
    small, large = steps.batch_sizes[0], steps.batch_sizes[-1]
    said = " and ".join(f"{gaps.times(e)} that of batch size {small} at equal {name}" for name, e in ratios.items())
    text = f"The final training loss of batch size {large} is {said}."

    def draw(ax: Axes) -> None:
        for (name, table), color in zip(losses.items(), (BLUE, ORANGE), strict=True):
            against_batch(ax, steps.batch_sizes, table, "final training loss", color=color, name=f"equal {name}")

    effects = []
    for name, estimate in ratios.items():
        r = ratio_of(estimate)
        effects.append(Effect.of(f"training loss at batch size {large} / {small}, equal {name}", r))
    return Finding(
        RULE.verdict(evidence),
        effects[0],
        steps.training_runs + epochs.training_runs,
        text,
        draw,
        (effects[1],),
        edges({"equal steps": steps, "equal epochs": epochs}, by="train_loss"),
        evidence,
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
