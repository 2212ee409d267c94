"""The table of claims: complete, consistent, and every experiment named once."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import minisgd.lab.claims.sentences.table as table
from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.report.contradictions import CONTRADICTIONS
from minisgd.lab.claims.run.plan import experiments_of, in_order
from minisgd.lab.claims.sentences.table import CLAIMS, MODULES

PRESENT = set(range(1, 32))
"""The claims of the articles."""


def test_no_claim_is_missing():
    assert set(CLAIMS) == PRESENT
    assert len(MODULES) == len(CLAIMS), "two files answer the same claim"
    files = {int(path.stem[1:3]) for path in Path(table.__file__).parent.glob("c[0-9][0-9]_*.py")}
    assert files == set(CLAIMS), "a file has no row in the table"


@pytest.mark.parametrize("number", CLAIMS)
def test_a_claim_says_all_that_a_reader_needs(number):
    claim = CLAIMS[number]
    for text in (claim.says, claim.experiment, claim.effect, claim.rule, claim.would_change, claim.held_fixed):
        assert text[0].isupper() or text.startswith("a in ") or text.startswith("lr"), text
        assert text.endswith("."), text
    assert claim.sources and set(claim.sources) <= {"S0", "S1", "S2", "S3", "S4"}
    assert set(inspect.signature(claim.judge).parameters) == {"rng", *claim.reads}
    assert "upported" in claim.rule and "efuted" in claim.rule


def test_equal_experiments_are_one():
    readers = experiments_of(CLAIMS.values())
    assert all(isinstance(experiment, Experiment) for experiment in readers)
    names = [experiment.name for experiment in readers]
    assert len(names) == len(set(names)), "two experiments would share a folder"
    assert max(readers.values()) >= 4


def test_single_measurements_come_before_trainings():
    readers = experiments_of(CLAIMS.values())
    order = in_order(readers, {experiment: 1.0 for experiment in readers})
    alone = [experiment.alone for experiment in order]
    assert alone == sorted(alone, reverse=True) and any(alone) and not all(alone)


def test_contradictions_name_claims():
    numbers = [number for group in CONTRADICTIONS for number in group.numbers]
    assert len(numbers) == len(set(numbers)) and set(numbers) <= set(range(1, 32))
