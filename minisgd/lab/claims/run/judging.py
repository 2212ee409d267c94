"""From the outcomes of a claim's experiments to its finding, and what the reader should be careful about."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from minisgd.data import Dataset
from minisgd.errors import MinisgdError
from minisgd.lab.claims.claim import Claim, Finding, undecided
from minisgd.lab.claims.experiments.clocked import Clocked
from minisgd.lab.claims.run.plan import Missing, Outcome
from minisgd.typing import Generator

FEW_EXAMPLES = 200
"""Fewer validation examples than this, and a verdict is as much about them as about batch size."""

SHARE_WRONG = 0.05
"""Share of wrong answers at which the resolution of an accuracy is stated."""


def find(claim: Claim, outcomes: Mapping[str, Outcome | None], rng: Generator) -> Finding:
    """Judge a claim by the outcomes of its experiments, or say what is missing."""
    results: dict[str, Any] = {}
    for name, outcome in outcomes.items():
        result = Missing("the run was interrupted before it") if outcome is None else outcome.result
        if isinstance(result, Missing) and name in claim.needs:
            return undecided(claim.effect, f"Its experiment ({claim.needs[name].name}) was not made: {result.why}.")
        results[name] = None if isinstance(result, Missing) else result
    paired = [result for result in results.values() if hasattr(result, "first")]
    seeds = min((result.seeds for result in paired), default=0)  # a budget may have ended between two experiments
    results = {name: result.first(seeds) if hasattr(result, "first") else result for name, result in results.items()}
    busy = [result.share for result in results.values() if isinstance(result, Clocked) and result.busy]
    by_clock, by_processor = (
        {name: getattr(result, by) if isinstance(result, Clocked) else result for name, result in results.items()}
        for by in ("by_clock", "by_processor")
    )
    try:
        with np.errstate(all="ignore"):  # an effect of zero or infinity says so itself
            found = claim.judge(deepcopy(rng), **by_clock)
            if not busy:
                return found
            other = claim.judge(rng, **by_processor)
    except MinisgdError as problem:
        # results without a meaning for this claim cost its verdict, never the others
        return undecided(claim.effect, f"Its results cannot be judged: {problem}.")
    text = f"While seconds were measured, the processor worked {100 * min(busy):.0f}% of the time for them"
    if other.verdict == found.verdict:
        caution = f"{text}; by processor time the verdict is the same."
        return replace(found, cautions=(*found.cautions, caution))
    why = f"{text}: by the clock the verdict would be {found.verdict!r}, by processor time {other.verdict!r}."
    return replace(found, verdict="not decided", words=f"{found.words} Not decided: {why[0].lower()}{why[1:]}")


def cautioned(claim: Claim, finding: Finding, seeds: int, asked: int, data: Dataset) -> Finding:
    """Say of a finding what few seeds or few validation examples leave open."""
    if finding.verdict == "not decided" and seeds == 1 and finding.evidence:
        return replace(finding, words=f"{finding.words} Not decided: one seed has no interval.")
    if seeds < asked and finding.evidence:
        text = f"The budget paid for {seeds} of {asked} seeds: intervals are wider than they could be."
        finding = replace(finding, cautions=(*finding.cautions, text))
    if not claim.unseen or not finding.evidence or data.validation is None:
        return finding
    n = len(data.validation)
    margins = [s.margin for name, s in claim.rule.statements.items() if s.unit == "points" and name in finding.evidence]
    said = list[str]()
    if n < FEW_EXAMPLES:
        said.append(f"Judged on {n} validation examples; on others, even from the same source, it may be different.")
    if margins and min(margins) < (error := 1.96 * math.sqrt(SHARE_WRONG * (1 - SHARE_WRONG) / n)):
        said.append(
            f"With {n} validation examples, of which one is {100 / n:.2g} points, an accuracy near "
            f"{100 * (1 - SHARE_WRONG):.0f}% is uncertain by ±{100 * error:.2g} points, more than the margin of the "
            "rule; the intervals are those of other seeds on the same examples."
        )
    return replace(finding, cautions=(*finding.cautions, *said))
