"""Claim 11: a smoother gradient converges to a better solution."""

from __future__ import annotations

from minisgd.lab.claims.claim import Claim, Effect, Finding, Verdict
from minisgd.lab.claims.decision import QUARTER, side
from minisgd.lab.claims.experiments import generalisation_gap as gaps
from minisgd.lab.claims.experiments.fixed_budget import Endings
from minisgd.lab.claims.pictures import Axes, against_batch
from minisgd.lab.claims.statistics import log_ratio, ratio_of
from minisgd.lab.plots import BLUE, ORANGE
from minisgd.typing import Generator


def judge(rng: Generator, epochs: Endings, steps: Endings) -> Finding:
    """Compare the final training losses of the largest and the smallest batch at equal steps and at equal epochs."""
    losses = {name: gaps.known(runs.at("train_loss", runs.tuned("train_loss")))
              for name, runs in (("steps", steps), ("epochs", epochs))}  # fmt: skip
    ratios = {name: log_ratio(table[-1], table[0], rng) for name, table in losses.items()}
    sides = {name: side(estimate, QUARTER) for name, estimate in ratios.items()}
    better = [name for name, it in sides.items() if it == "less"]
    if better:
        verdict: Verdict = "supported" if "more" not in sides.values() else "qualified"
    else:
        verdict = "not decided" if "unclear" in sides.values() else "refuted"
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
        verdict,
        effects[0],
        steps.training_runs + epochs.training_runs,
        text,
        draw,
        (effects[1],),
        gaps.edges({"equal steps": steps, "equal epochs": epochs}, by="train_loss"),
    )


CLAIM = Claim(
    number=11,
    says="The smoother gradient of a large batch converges to a better solution.",
    sources=("S0",),
    experiment=f"Train for {gaps.LONG} steps, and for 10 epochs, at every batch size over one grid of learning rates; "
    "take the loss over the whole training set at the end.",
    effect="Ratio of the final training losses of the largest and the smallest batch, each at the learning rate with "
    "the least, at equal steps and at equal epochs; 95% over paired seeds.",
    rule="Supported if the largest batch ends with at least 20% less training loss in one of the budgets and not with "
    "25% more in the other; qualified if better in one and worse in the other; refuted if better in neither.",
    would_change="Counting differently: equal steps favour the large batch, which sees more examples in them, and "
    "equal epochs the small one. Data whose gradients hardly differ make both alike.",
    held_fixed="Initial weights of each seed, plain SGD without decay. Nothing is said of unseen examples here.",
    needs={"epochs": gaps.EPOCHS, "steps": gaps.STEPS},
    judge=judge,
)
