"""Decision rules: from intervals to a verdict, through margins below which nobody would care.

A claim rests on statements such as "the largest batch needs at least 25% more examples". A statement *holds* where the
95% interval of its effect lies beyond the margin; it *fails* where the 90% interval lies short of it (a one-sided test
at 5%; of "differs", two of them); else it is *open*. A rule says which statements make the claim supported and which
make it qualified; it is refuted where both are excluded, and otherwise this budget cannot tell. The words of a rule
and its decision come from the same data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from minisgd.lab.claims.statistics import Estimate

Verdict = Literal["supported", "qualified", "refuted", "not decided"]

VERDICTS: tuple[Verdict, ...] = ("supported", "qualified", "refuted", "not decided")

Side = Literal["more", "less", "same", "unclear"]

Unit = Literal["ratio", "number", "points"]
"""Of margins: of a log-ratio, said as per cent; a plain number; of accuracy, said as percentage points."""

POINT = 0.01
"""Margin of accuracies: less than one percentage point is none."""

TEN_PERCENT = math.log(1.1)
"""Margin of log-ratios: effects of less than 10% are called no effect."""

QUARTER = math.log(1.25)
"""Margin of log-ratios where the reader would have to act: less than 25% is called no effect."""

HOW = (
    "A statement holds if the 95% interval of its effect lies beyond the margin, fails if the 90% interval lies short "
    "of it, and is open otherwise; where no verdict follows, the claim is not decided."
)

HOLM = (
    "The second verdict is the one that stands after Holm's adjustment (1979) of all statements of all claims answered "
    "here, at 5% together. A statement can hold or fail, each by a test of its own, so they err somewhat more often."
)

LEVEL = 0.05


def side(estimate: Estimate, margin: float) -> Side:
    """Return on which side of ±margin an effect is.

    more, less: the 95% interval lies beyond the margin
    same: the 90% interval is within it (two one-sided tests at 5%)   unclear: none of these
    """
    if math.isnan(estimate.value):
        return "unclear"
    if estimate.low > margin:
        return "more"
    if estimate.high < -margin:
        return "less"
    return "same" if estimate.within(margin) else "unclear"


@dataclass(frozen=True)
class Statement:
    """That an effect lies beyond a margin.

    text: a clause, with {margin} where the margin stands
    way: "more" than margin, "less" than −margin, or "differs" by more than it
    """

    text: str
    way: Literal["more", "less", "differs"]
    margin: float
    unit: Unit = "ratio"

    @property
    def words(self) -> str:
        """The clause with its margin."""
        return self.text.format(margin=self._margin())

    def _margin(self) -> str:
        if self.unit == "ratio":
            share = math.expm1(self.margin) if self.way != "less" else -math.expm1(-self.margin)
            return f"{100 * share:.3g}%"
        if self.unit == "points":
            return f"{100 * self.margin:.3g} point" + ("" if self.margin == 0.01 else "s")
        return f"{self.margin:g}"

    def holds(self, effect: Estimate) -> bool | None:
        """Return whether it holds or fails; None where that is open."""
        if math.isnan(effect.value):
            return None
        more, less = effect.low > self.margin, effect.high < -self.margin
        if {"more": more, "less": less, "differs": more or less}[self.way]:
            return True
        not_more, not_less = effect.high90 < self.margin, effect.low90 > -self.margin
        fails = {"more": not_more, "less": not_less, "differs": not_more and not_less}[self.way]
        return False if fails else None

    def p_value(self, effect: Estimate) -> float:
        """Return the p-value of what was found, to be held against 5%: that it holds, or that it fails."""
        holds = self.holds(effect)
        if holds is None:
            return 1.0
        not_more, not_less = effect.below(self.margin), 1 - effect.below(-self.margin)
        if holds:  # either end of the 95% interval counts
            return 2 * {"more": not_more, "less": not_less, "differs": min(not_more, not_less)}[self.way]
        return {"more": 1 - not_more, "less": 1 - not_less, "differs": max(1 - not_more, 1 - not_less)}[self.way]


def above(text: str, margin: float, unit: Unit = "ratio") -> Statement:
    """State that an effect is more than a margin."""
    return Statement(text, "more", margin, unit)


def below(text: str, margin: float, unit: Unit = "ratio") -> Statement:
    """State that an effect is less than minus a margin."""
    return Statement(text, "less", margin, unit)


def differs(text: str, margin: float, unit: Unit = "ratio") -> Statement:
    """State that an effect is beyond a margin on either side."""
    return Statement(text, "differs", margin, unit)


@dataclass(frozen=True)
class Condition:
    """That so many of several statements hold; ``of`` maps a name to whether it is to hold or to fail.

    least: how many; None for all of those that were measured
    also: conditions that count like statements
    """

    of: Mapping[str, bool]
    least: int | None = None
    also: tuple[Condition, ...] = ()

    def holds(self, known: Mapping[str, bool | None]) -> bool | None:
        """Return whether it holds or fails, None where that is open; statements not measured do not count."""
        found = [
            None if known[name] is None else known[name] == wanted for name, wanted in self.of.items() if name in known
        ]
        found += [condition.holds(known) for condition in self.also]
        if not found:
            return None
        least = len(found) if self.least is None else self.least
        if found.count(True) >= least:
            return True
        return None if found.count(True) + found.count(None) >= least else False

    def words(self, letters: Mapping[str, str]) -> str:
        """State it, with a letter for every statement."""
        said = [letters[name] if wanted else f"not {letters[name]}" for name, wanted in self.of.items()]
        said += [f"({condition.words(letters)})" for condition in self.also]
        if self.least is None or self.least == len(said):
            return " and ".join(said)
        return " or ".join(said) if self.least == 1 else f"{self.least} of {', '.join(said)}"


Given: TypeAlias = "str | Condition"


def fails(name: str) -> Condition:
    """Ask that a statement fails."""
    return Condition({name: False})


def every(*given: Given) -> Condition:
    """Ask that all of these hold."""
    return _condition(given, None)


def some(*given: Given, least: int = 1) -> Condition:
    """Ask that one of these holds, or so many of them."""
    return _condition(given, least)


def _condition(given: tuple[Given, ...], least: int | None) -> Condition:
    of: dict[str, bool] = {}
    also = []
    for each in given:
        if isinstance(each, str):
            of[each] = True
        elif len(each.of) == 1 and not each.also:
            of |= each.of
        else:
            also.append(each)
    return Condition(of, least, tuple(also))


@dataclass(frozen=True)
class Rule:
    """How the verdict follows: the first of supported, qualified and refuted whose condition holds.

    refuted: by default that what makes the claim supported, and what makes it qualified, are both excluded
    """

    statements: Mapping[str, Statement]
    supported: Condition
    qualified: Condition | None = None
    refuted: Condition | None = None

    def verdict(self, effects: Mapping[str, Estimate]) -> Verdict:
        """Judge the measured effects, by the names of their statements."""
        return self.decide({name: s.holds(effects[name]) for name, s in self.statements.items() if name in effects})

    def decide(self, known: Mapping[str, bool | None]) -> Verdict:
        """Judge by what holds (True), fails (False) or is open (None)."""
        supported = self.supported.holds(known)
        qualified = False if self.qualified is None else self.qualified.holds(known)
        if supported:
            return "supported"
        if qualified:
            return "qualified"
        excluded = (supported is False and qualified is False) if self.refuted is None else self.refuted.holds(known)
        return "refuted" if excluded else "not decided"

    @property
    def words(self) -> str:
        """The rule in words, every statement under a letter."""
        letters = dict(zip(self.statements, "abcdefghij", strict=False))
        listed = "; ".join(f"({letters[name]}) {s.words}" for name, s in self.statements.items())
        said = f"Supported if {self.supported.words(letters)}; "
        if self.qualified is not None:
            said += f"qualified if only {self.qualified.words(letters)}; "
        excluded = "this is excluded" if self.qualified is None else "both are excluded"
        said += f"refuted if {excluded if self.refuted is None else self.refuted.words(letters)}"
        return f"{said}: {listed}."


def holm(p_values: Mapping[tuple[int, str], float], level: float = LEVEL) -> set[tuple[int, str]]:
    """Return which of many tests stand after Holm's adjustment (1979): together they err at the level."""
    standing = set()
    for rank, (key, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p > level / (len(p_values) - rank):
            break
        standing.add(key)
    return standing
