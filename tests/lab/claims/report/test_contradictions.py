"""The paragraphs of contradictions: they turn when the findings do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from minisgd.lab.claims.claim import Effect, Finding
from minisgd.lab.claims.report.contradictions import CONTRADICTIONS, generalisation, overfitting, stability, three_axes


def finding(value: float, *more: tuple[str, float], verdict="supported", spread=0.1) -> Finding:
    """Make a finding whose effects have intervals of ±10%."""
    effects = [Effect(name, v, v - spread * abs(v), v + spread * abs(v)) for name, v in (("effect", value), *more)]
    return Finding(verdict, effects[0], 8, "Said.", None, tuple(effects[1:]))


def test_axes_that_differ_make_both_right():
    both = three_axes(finding(8.0, ("seconds", 2.0)), finding(0.2), finding(2.0))
    assert "0.2 times the steps (fewer)" in both and "Both sides are right" in both
    one = three_axes(finding(8.0, ("seconds", 2.0)), finding(4.0), finding(2.0))
    assert "only one side is right" in one


def test_a_gap_that_goes_is_told_from_one_that_stays():
    better = finding(0.1, ("equal epochs", 9.0))
    short = overfitting(finding(1.0, ("tuned learning rate, little data", 3.0)), better)
    assert "too short" in short and "both can be seen as true" in short
    stays = overfitting(finding(3.0, ("tuned learning rate, little data", 3.0)), finding(9.0, ("equal epochs", 9.0)))
    assert "too short" not in stays and "both can be" not in stays


def test_a_range_may_shift_and_narrow_or_widen():
    assert "more room" in stability(finding(-0.3), finding(3.0, ("lowest", 6.0)))
    assert "both are right" in stability(finding(0.3), finding(3.0, ("lowest", 1.0)))
    assert "nothing to reconcile" in stability(finding(-0.3), finding(0.5, ("lowest", 1.0)))


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("supported", "against the Playbook"),
        ("qualified", "both hold"),
        ("refuted", "is right"),
        ("not decided", "cannot"),
    ],
)
def test_the_playbook_is_judged_by_the_finding(verdict, said):
    assert said in generalisation(replace(finding(0.01, ("short", 0.1)), verdict=verdict))


def test_every_contradiction_speaks():
    assert all(callable(it.resolve) for it in CONTRADICTIONS)
