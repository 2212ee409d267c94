"""What a claim is, and what can be found of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minisgd.lab import words
from minisgd.lab.claims.decision import Rule, Verdict
from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.statistics import Estimate, ratio_of


@dataclass(frozen=True)
class Effect:
    """A measured quantity with its 95% interval.

    Attributes:
        name: What was measured, in words.
        value: The estimate.
        low: Lower end of the interval.
        high: Upper end.
    """

    name: str
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, name: str, estimate: Estimate) -> Effect:
        """Name an estimate."""
        return cls(name, estimate.value, estimate.low, estimate.high)

    @classmethod
    def ratio(cls, name: str, estimate: Estimate) -> Effect:
        """Name a log-ratio, as the ratio."""
        return cls.of(name, ratio_of(estimate))

    @classmethod
    def exact(cls, name: str, value: float) -> Effect:
        """Name a number that was counted, not sampled."""
        return cls.of(name, Estimate.exact(value))

    @property
    def interval(self) -> str:
        """The interval in words: ends that nothing bounds are named as such; empty where the value is exact."""
        if self.low == self.high or math.isnan(self.value):
            return ""
        low, high = words.signed(self.low), words.signed(self.high)
        nothing_below = self.low == -math.inf or (self.low == 0 and self.value > 0)
        if nothing_below and self.high == math.inf:
            return "not bounded"
        if self.high == math.inf:
            return f"{low} or more, not bounded above"
        return f"{high} or less, not bounded below" if self.low == -math.inf else f"{low} to {high}"


@dataclass(frozen=True)
class Finding:
    """What a run found of a claim.

    Attributes:
        verdict: Supported, qualified, refuted or not decided.
        effect: The effect on which the verdict rests.
        n: Number of training runs or measurements it comes from.
        words: One or two sentences for the reader.
        draw: Draws the evidence on matplotlib axes.
        more: Further effects worth printing.
        cautions: What the reader should not conclude.
        evidence: The effects that the rule looks at, by the names of its statements.
    """

    verdict: Verdict
    effect: Effect
    n: int
    words: str
    draw: Callable[[Any], None] | None = None
    more: tuple[Effect, ...] = ()
    cautions: tuple[str, ...] = ()
    evidence: Mapping[str, Estimate] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        rule: Rule,
        evidence: Mapping[str, Estimate],
        effects: Sequence[Effect],
        n: int,
        words: str,
        draw: Callable[[Any], None],
        cautions: Iterable[str] = (),
    ) -> Finding:
        """Judge the evidence by a rule; the first of the effects is the one on which the verdict rests."""
        return cls(rule.verdict(evidence), effects[0], n, words, draw, tuple(effects[1:]), tuple(cautions), evidence)


@dataclass(frozen=True)
class Claim:
    """A sentence from an article or a paper, and the experiment that settles it.

    Attributes:
        number: By which it is asked for.
        says: The claim in the words of an article or a paper.
        sources: Who makes it: articles S0 … S4, or a paper with its section.
        experiment: What is done.
        effect: What is measured of it.
        rule: How the verdict follows from the intervals of the effects.
        would_change: What would turn the verdict.
        held_fixed: What was the same in everything compared.
        needs: Experiments by the name under which ``judge`` takes their results; equal ones are run once.
        judge: A pure function judge(rng, **results) to a ``Finding``; rng drives its draws.
        optional: Experiments whose result is None for ``judge`` where they cannot be made; the claim is judged without
            them.
        unseen: True if it is judged on examples that were not trained on.
        learns: True if it is about learning, and so nothing can be said of it where nothing is learned.
    """

    number: int
    says: str
    sources: tuple[str, ...]
    experiment: str
    effect: str
    rule: Rule
    would_change: str
    held_fixed: str
    needs: Mapping[str, Experiment[Any]]
    judge: Callable[..., Finding]
    optional: Mapping[str, Experiment[Any]] = field(default_factory=dict)
    unseen: bool = False
    learns: bool = True

    @property
    def reads(self) -> Mapping[str, Experiment[Any]]:
        """All experiments, needed and optional."""
        return {**self.needs, **self.optional}


def undecided(name: str, words: str, n: int = 0) -> Finding:
    """Return the finding where there is nothing to judge by."""
    return Finding("not decided", Effect(name, float("nan"), float("nan"), float("nan")), n, words)
