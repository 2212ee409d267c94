"""Rules: their words and their decisions come from the same data, and every claim keeps to its own."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest

from minisgd.lab.claims.decision import QUARTER, TEN_PERCENT, Rule, Statement, every, fails, holm, side, some
from minisgd.lab.claims.sentences.table import CLAIMS
from minisgd.lab.claims.statistics import Estimate
from tests.lab.claims.sentences.test_reversals import CASES, judged

INF = math.inf


def around(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, value + half, value - 0.8 * half, value + 0.8 * half)


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (around(0.5, 0.1), "more"),
        (around(-0.5, 0.1), "less"),
        (around(0.01, 0.04), "same"),
        (around(0.15, 0.1), "unclear"),  # "by at least 10%" is what the interval shows, not the value
        (around(0.2, 0.5), "unclear"),
        (Estimate(INF, 2.0, INF, 2.0, INF), "more"),
        (Estimate.unbounded(math.nan), "unclear"),
    ],
)
def test_sides(estimate, expected):
    assert side(estimate, TEN_PERCENT) == expected


def made_up(statement: Statement) -> dict[bool | None, list[Estimate]]:
    """Return intervals below, at and above the margin, by whether the statement then holds, fails or is open."""
    m = statement.margin
    sign = -1 if statement.way == "less" else 1
    # values are mirrored where less is claimed, and intervals are symmetric
    holds = [around(sign * (m + 1.01), 1.0), around(sign * (m + 2e-6), 1e-6)]
    open_ = [around(sign * m, 1.0), around(sign * (m + 0.99), 1.0), around(sign * (m - 0.79), 1.0)]
    failed = [around(sign * (m - 0.81), 1.0), around(sign * (m - 2e-6), 1e-6), around(sign * (m - 50), 1.0)]
    if statement.way == "differs":
        holds.append(around(-m - 1.01, 1.0))
        failed = [around(0.0, 0.5 * m), around(0.99 * m, 1e-6 * m), around(-0.99 * m, 1e-6 * m)]
    return {True: holds, None: open_, False: failed}


STATEMENTS = [(n, name) for n, claim in CLAIMS.items() for name in claim.rule.statements]


@pytest.mark.parametrize(("number", "name"), STATEMENTS)
def test_a_statement_holds_beyond_its_margin_and_fails_short_of_it(number, name):
    statement = CLAIMS[number].rule.statements[name]
    for expected, estimates in made_up(statement).items():
        for estimate in estimates:
            assert statement.holds(estimate) is expected, (statement, estimate)
            assert (statement.p_value(estimate) <= 0.05) == (expected is not None) or expected is False


@pytest.mark.parametrize(("number", "name"), STATEMENTS)
def test_the_words_say_the_margin_that_decides(number, name):
    rule = CLAIMS[number].rule
    statement = rule.statements[name]
    assert statement.words in rule.words
    if "{margin}" not in statement.text:  # "so it does with little data": the margin was said before
        before = list(rule.statements.values())[: list(rule.statements).index(name)]
        assert statement.margin == 0 or any(s.margin == statement.margin and s.way == statement.way for s in before)
        return
    (said,) = re.findall(r"\d+(?:\.\d+)?", statement.words.replace(statement.text.split("{margin}")[0], "", 1))[:1]
    value = float(said)
    if statement.unit == "ratio":
        value = -math.log1p(-value / 100) if statement.way == "less" else math.log1p(value / 100)
    assert math.isclose(value / (100 if statement.unit == "points" else 1), statement.margin, rel_tol=0.02)


@pytest.mark.parametrize("number", CLAIMS)
def test_every_assignment_has_the_verdict_that_the_words_give_it(number):
    """Read the rule's own words, with a letter for every statement, as logic of three values."""
    rule = CLAIMS[number].rule
    letters = dict(zip("abcdefghij", rule.statements, strict=False))
    said = rule.words.split(": (a)")[0]
    clauses = dict(re.findall(r"(Supported|qualified|refuted) if (?:only )?([^;]*)", said))
    for values in itertools.product((True, False, None), repeat=len(letters)):
        known = dict(zip(letters, values, strict=False))
        read = {verdict: evaluate(text, known) for verdict, text in clauses.items() if "excluded" not in text}
        excluded = all(read[v] is False for v in ("Supported", "qualified") if v in read)
        refuted = read["refuted"] if "refuted" in read else excluded
        expected = (
            "supported" if read["Supported"] else "qualified" if read.get("qualified")
            else "refuted" if refuted else "not decided"
        )  # fmt: skip
        assert rule.decide({letters[k]: v for k, v in known.items()}) == expected, (known, rule.words)


def evaluate(text: str, known: dict[str, bool | None]) -> bool | None:
    """Evaluate "a and not b and (c or d)", or "2 of a, b, c"."""
    text = text.strip()
    counted = re.fullmatch(r"(\d) of (.*)", text)
    if counted:
        return at_least(int(counted[1]), [evaluate(part, known) for part in counted[2].split(",")])
    inner = re.search(r"\(([^()]*)\)", text)
    if inner:
        return evaluate(text.replace(inner[0], "z"), known | {"z": evaluate(inner[1], known)})
    if " and " in text:
        parts = [evaluate(part, known) for part in text.split(" and ")]
        return at_least(len(parts), parts)
    if " or " in text:
        return at_least(1, [evaluate(part, known) for part in text.split(" or ")])
    if text.startswith("not "):
        value = known[text[4:]]
        return None if value is None else not value
    return known[text]


def at_least(n: int, values: list[bool | None]) -> bool | None:
    yes, maybe = values.count(True), values.count(None)
    return True if yes >= n else None if yes + maybe >= n else False


@pytest.mark.parametrize(("number", "results", "verdict"), CASES, ids=[f"{n}-{v}" for n, _, v in CASES])
def test_verdicts_come_from_the_rule_and_nothing_else(number, results, verdict):
    finding, rule = judged(number, **results), CLAIMS[number].rule
    assert set(finding.evidence) <= set(rule.statements)
    if finding.evidence:
        assert finding.verdict == rule.verdict(finding.evidence)


def test_statements_that_were_not_measured_do_not_count():
    rule = Rule({k: Statement("{margin}", "more", 0.1) for k in "ab"}, every("a", "b"), some("a", "b"))
    assert rule.decide({"a": True}) == "supported" and rule.decide({}) == "not decided"


def test_refuted_may_ask_for_less_than_everything():
    rule = Rule({k: Statement("{margin}", "more", 0.1) for k in "ab"}, every("a"), every("b"), fails("a"))
    assert rule.decide({"a": False, "b": None}) == "refuted"


def test_holm_steps_down_until_the_first_that_falls():
    tests = {(1, "a"): 0.001, (1, "b"): 0.03, (2, "a"): 0.04, (3, "a"): 0.0}
    assert holm(tests) == {(3, "a"), (1, "a")}  # 0.05/4, 0.05/3, and 0.03 is above 0.05/2
    assert holm(tests | {(1, "b"): 0.02}) == set(tests)
    assert holm({(1, str(k)): 0.04 for k in range(2)}) == set()


def test_without_effects_some_verdict_is_wrong_once_in_twenty_at_most():
    rng, wrong = np.random.default_rng(0), 0
    statement = Statement("{margin}", "more", 0.0)
    for _ in range(400):
        tests = {(k, ""): statement.p_value(Estimate.mean(rng.normal(0, 1, 5))) for k in range(12)}
        effects = holm({key: p for key, p in tests.items()})
        wrong += bool(effects)
    assert wrong / 400 <= 0.10  # that it holds, and that it fails, at 5% each


def test_quarter_is_a_quarter():
    assert [Statement("{margin}", way, QUARTER).words for way in ("more", "less")] == ["25%", "20%"]
