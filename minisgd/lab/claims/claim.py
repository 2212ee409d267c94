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
    """A measured quantity with its 95% interval."""

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
    """What this run says of a claim.

    n: how many training runs or measurements stand behind it   words: one or two sentences for the reader
    draw: puts the evidence on matplotlib axes   more: further effects worth printing
    cautions: what the reader should not conclude
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

    says: in the articles' words   sources: which of them, S0 … S4   experiment: what is done
    effect: what is measured of it   rule: how the verdict follows from the interval of the effect
    would_change: what would turn the verdict   held_fixed: what was the same in everything compared
    needs: experiments by the name under which ``judge`` takes their results; equal ones are run once
    judge: a pure function judge(rng, **results) to a Finding; rng drives its bootstrap
    optional: experiments whose result is None for ``judge`` where they cannot be made: the claim stands without them
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
