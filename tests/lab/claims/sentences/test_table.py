"""The table of claims: complete, consistent, and every experiment named once."""

from __future__ import annotations

import inspect
import re

import pytest

from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.report.contradictions import CONTRADICTIONS
from minisgd.lab.claims.run.plan import experiments_of, in_order
from minisgd.lab.claims.sentences.table import CLAIMS, FILES


def test_claims_are_numbered_without_gaps_as_their_files_are():
    assert list(CLAIMS) == list(range(1, len(FILES) + 1))
    assert [claim.number for claim in CLAIMS.values()] == list(CLAIMS)
    assert len(CLAIMS) >= 44, "one of the articles' claims, or of the papers', is missing"


@pytest.mark.parametrize("number", CLAIMS)
def test_a_claim_says_all_that_a_reader_needs(number):
    claim = CLAIMS[number]
    for text in (claim.says, claim.experiment, claim.effect, claim.rule.words, claim.would_change, claim.held_fixed):
        assert text[0].isupper() or text.startswith("a in ") or text.startswith("lr"), text
        assert text.endswith("."), text
    assert claim.sources and all(re.fullmatch(r"S[0-4]|[A-Z].* 20\d\d.*, [a-z].*", source) for source in claim.sources)
    assert set(inspect.signature(claim.judge).parameters) == {"rng", *claim.reads}


def test_equal_experiments_are_one():
    readers = experiments_of(CLAIMS.values())
    assert all(isinstance(experiment, Experiment) for experiment in readers)
    names = [experiment.name for experiment in readers]
    assert len(names) == len(set(names)), "two experiments would share a folder"
    assert max(readers.values()) >= 4


def test_what_settles_contradictions_comes_first_and_single_measurements_last():
    readers = experiments_of(CLAIMS.values())
    first = experiments_of([CLAIMS[7], CLAIMS[24]])
    order = in_order(readers, {experiment: 1.0 for experiment in readers}, first.keys())
    alone = [experiment.alone for experiment in order]
    assert alone == sorted(alone) and any(alone) and not all(alone)
    trained = [experiment in first for experiment in order if not experiment.alone]
    assert trained == sorted(trained, reverse=True) and any(trained)


def test_whatever_is_measured_alone_is_timed_twice_or_counts_bytes():
    alone = {type(experiment) for experiment in experiments_of(CLAIMS.values()) if experiment.alone}
    once = {kind.__name__ for kind in alone if not kind.run.__annotations__["return"].startswith("Clocked[")}
    assert once == {"MeasureMemory"} and len(alone) >= 6


def test_contradictions_name_claims():
    numbers = [number for group in CONTRADICTIONS for number in group.numbers]
    assert len(numbers) == len(set(numbers)) and set(numbers) <= set(CLAIMS)
