"""Decision rules: from an interval to a verdict, through a margin below which nobody would care.

An interval can lie beyond the margin (there is an effect), within it (there is none that matters: an
equivalence test), beyond it on the other side (the opposite), or across: then this budget cannot tell. So two
runs disagree only where the effect is as small as its interval is wide.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Literal

from minisgd.lab.claims.claim import Verdict
from minisgd.lab.claims.statistics import Estimate

Side = Literal["more", "less", "same", "unclear"]

TEN_PERCENT = math.log(1.1)
"""Margin of log-ratios: effects of less than 10% are called no effect."""

QUARTER = math.log(1.25)
"""Margin of log-ratios where the reader would have to act: less than 25% is called no effect."""


def side(estimate: Estimate, margin: float) -> Side:
    """Return on which side of ±margin an effect is.

    more, less: the 95% interval excludes zero, and the value is beyond the margin on the same side
    same: the 90% interval is within the margin (two one-sided tests at 5%)   unclear: none of these
    """
    if math.isnan(estimate.value):
        return "unclear"
    if estimate.within(margin):
        return "same"
    if estimate.low > 0 and estimate.value > margin:
        return "more"
    if estimate.high < 0 and estimate.value < -margin:
        return "less"
    return "unclear"


def verdict_of(sides: Collection[Side], claimed: Side = "more") -> Verdict:
    """Judge a claim of one or several effects: supported if all lie on the claimed side, qualified if some do.

    Where none does, it is refuted, unless one of them is unclear.
    """
    if all(each == claimed for each in sides):
        return "supported"
    if claimed in sides:
        return "qualified"
    return "not decided" if "unclear" in sides else "refuted"
