"""What a claim is, and what can be found of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.statistics import Estimate

Verdict = Literal["supported", "qualified", "refuted", "not decided"]

VERDICTS: tuple[Verdict, ...] = ("supported", "qualified", "refuted", "not decided")


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
    """

    verdict: Verdict
    effect: Effect
    n: int
    words: str
    draw: Callable[[Any], None] | None = None
    more: tuple[Effect, ...] = ()
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A sentence from the articles, and the experiment that settles it.

    Attributes:
        number: By which it is asked for.
        says: The claim in the articles' words.
        sources: Articles that make it, S0 … S4.
        experiment: What is done.
        effect: What is measured of it.
        rule: How the verdict follows from the interval of the effect.
        would_change: What would turn the verdict.
        held_fixed: What was the same in everything compared.
        needs: Experiments by the name under which ``judge`` takes their results; equal ones are run once.
        judge: A pure function judge(rng, **results) to a ``Finding``; rng drives its bootstrap.
        optional: Experiments whose result is None for ``judge`` where they cannot be made; the claim is judged without
            them.
    """

    number: int
    says: str
    sources: tuple[str, ...]
    experiment: str
    effect: str
    rule: str
    would_change: str
    held_fixed: str
    needs: Mapping[str, Experiment[Any]]
    judge: Callable[..., Finding]
    optional: Mapping[str, Experiment[Any]] = field(default_factory=dict)

    @property
    def reads(self) -> Mapping[str, Experiment[Any]]:
        """All experiments, needed and optional."""
        return {**self.needs, **self.optional}


def undecided(name: str, words: str, n: int = 0) -> Finding:
    """Return the finding where there is nothing to judge by."""
    return Finding("not decided", Effect(name, float("nan"), float("nan"), float("nan")), n, words)
