"""Claim 38: newer optimizers tolerate larger batches."""

from __future__ import annotations

from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, every, some
from minisgd.lab.claims.experiments import critical
from minisgd.lab.claims.experiments.to_target import RunToTarget, TargetRuns
from minisgd.lab.claims.sentences.c25_wrong_labels import SIZES
from minisgd.lab.claims.setting import Setting
from minisgd.typing import Generator

RULE = Rule(
    {
        "muon": above("Muon's critical batch size is at least {margin} larger than Adam's", QUARTER),
        "lion": above("Lion's is at least {margin} larger than Adam's", QUARTER),
    },
    supported=every("muon", "lion"),
    qualified=some("muon", "lion"),
)


def judge(rng: Generator, sgd: TargetRuns, adam: TargetRuns, lion: TargetRuns, muon: TargetRuns) -> Finding:
    """Compare the critical batch sizes of Muon and Lion with that of Adam, and Adam's with that of SGD."""
    runs, names = (sgd, adam, lion, muon), ("SGD", "Adam", "Lion", "Muon")
    pairs = {"Muon / Adam": (adam, muon), "Lion / Adam": (adam, lion), "Adam / SGD": (sgd, adam)}
    ratios = {name: critical.trend((0, 1), pair, rng) for name, pair in pairs.items()}
    return Finding.of(
        RULE,
        {"muon": ratios["Muon / Adam"], "lion": ratios["Lion / Adam"]},
        [Effect.ratio(f"critical batch size Emin/Smin: {name}", ratio) for name, ratio in ratios.items()],
        sum(each.training_runs for each in runs),
        f"SGD, Adam, Lion and Muon have critical batch sizes of {critical.describe(runs)}.",
        lambda ax: critical.draw(ax, runs[1:], names[1:]),
        critical.cautions(runs, names),
    )


CLAIM = Claim(
    number=38,
    says="Newer optimizers tolerate larger batches.",
    sources=("Zhang et al. 2019, abstract", "Essential AI 2025 (arXiv 2505.02222), abstract"),
    experiment="Train to the same target at every batch size with SGD, Adam, Lion and Muon, each at its tuned learning "
    "rate; fit S(B) = Smin + Emin/B to the steps.",
    effect="Ratios of the critical batch sizes Emin/Smin of Muon and Adam, and of Lion and Adam; 95% over paired "
    "seeds.",
    rule=RULE,
    would_change="A network of few and small matrices, in which Muon has little to make orthogonal; a problem that "
    "noise limits at every batch size tried, where all optimizers scale perfectly.",
    held_fixed="Target, initial weights of each seed, order of the examples, no weight decay; all but the learning "
    "rate as each optimizer's paper sets it.",
    needs={
        "sgd": RunToTarget(),
        "adam": RunToTarget(Setting(optimizer="adam")),
        "lion": RunToTarget(Setting(optimizer="lion"), SIZES),
        "muon": RunToTarget(Setting(optimizer="muon"), SIZES),
    },
    judge=judge,
    unseen=True,
)
