"""Claim 10: large batches risk overfitting, more so with little data."""

from __future__ import annotations

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import Rule, above, every, some
from minisgd.lab.claims.experiments import generalisation_gap as gaps
from minisgd.lab.claims.experiments.fixed_budget import Endings, edges
from minisgd.lab.claims.statistics import ratio_of
from minisgd.typing import Generator

RULE = Rule(
    {
        "little": above(
            "with little data, the largest batch has at least {margin} more validation loss than the smallest at its "
            "tuned rate after longer training",
            gaps.HALF,
        ),
        "all": above("so it has with all the data", gaps.HALF),
        "fixed": above("so it has within the fixed epochs at the same rate", gaps.HALF),
        "tuned": above("so it has within the fixed epochs at its tuned rate", gaps.HALF),
        "little fixed": above("so it has with little data within the fixed epochs at the same rate", gaps.HALF),
        "little tuned": above("so it has with little data within the fixed epochs at its tuned rate", gaps.HALF),
    },
    supported=every("little"),
    qualified=some("all", "fixed", "tuned", "little fixed", "little tuned"),
)


def judge(rng: Generator, epochs: Endings, steps: Endings, little_epochs: Endings, little_steps: Endings) -> Finding:
    """Ask whether the largest batch does worse on unseen examples, and whether tuning and time mend it."""
    arms, little = gaps.four_arms(epochs, steps), gaps.four_arms(little_epochs, little_steps)
    all_data, little_data = ([arm.gap() for arm in four] for four in (arms, little))
    # scaling the rate is left out, as it may overshoot by itself
    gaps_found = (little_data[-1], all_data[-1], all_data[0], all_data[2], little_data[0], little_data[2])
    evidence = dict(zip(RULE.statements, gaps_found, strict=True))
    text = _sentence(arms[0], [gaps.times(gap) for gap in all_data], "all the data")
    text += " " + _sentence(little[0], [gaps.times(gap) for gap in little_data], "an eighth of them")
    learnt = ratio_of(arms[2].train_gap())
    if learnt.low > 1:
        text += f" At the tuned rate its training loss, too, is {words.count(learnt.value)} times: it has learnt less."
    *effects, main = [arm.effect(gap, ", little data") for arm, gap in zip(little, little_data, strict=True)]
    others = [arm.effect(gap) for arm, gap in zip(arms, all_data, strict=True)]
    train = Effect.of(others[2].name.replace("validation", "training"), learnt)
    return Finding.of(
        RULE,
        evidence,
        [main, *effects, *others, train],
        sum(runs.training_runs for runs in (epochs, steps, little_epochs, little_steps)),
        text,
        lambda ax: gaps.draw(ax, (arms[0], arms[2], arms[3])),
        edges({"epochs": epochs, "longer": steps, "little data": little_steps}),
    )


def _sentence(arm: gaps.Arm, ratios: list[str], data: str) -> str:
    fixed, _, tuned, longer = ratios
    small, large = arm.batch_sizes[0], arm.batch_sizes[-1]
    return (
        f"On {data}, batch size {large} ends with {fixed} the validation loss of batch size {small} at the same "
        f"learning rate, {tuned} at the tuned one, and {longer} when it is also trained longer."
    )


CLAIM = Claim(
    number=10,
    says="Large batches risk overfitting, more so with little data.",
    sources=("S0", "S3"),
    experiment="Train for a fixed number of epochs (10, or 20 with an eighth of the data) at every batch size over one "
    f"grid of learning rates, and again for {gaps.LONG} steps; compare the losses on the validation examples.",
    effect="Ratio of the validation losses of the largest and the smallest batch under one, scaled and tuned learning "
    "rates, and with longer training; 95% over paired seeds.",
    rule=RULE,
    would_change="Data on which training much longer overfits, or so much of them that ten epochs suffice for every "
    "batch size.",
    held_fixed="Initial weights of each seed, validation examples, plain SGD without decay. The longer training takes "
    "whichever is more steps.",
    needs={
        "epochs": gaps.EPOCHS,
        "steps": gaps.STEPS,
        "little_epochs": gaps.LITTLE_EPOCHS,
        "little_steps": gaps.LITTLE_STEPS,
    },
    judge=judge,
    unseen=True,
)
