"""Made-up studies that the tests of this folder share."""

from __future__ import annotations

import pytest

from minisgd.lab.study.result import StudyResult
from tests.lab.study import synthetic_study

KINDS = ("study", "partial", "single", "nothing")


@pytest.fixture(scope="session")
def study() -> StudyResult:
    return synthetic_study.study()


@pytest.fixture(scope="session", params=KINDS)
def any_study(request: pytest.FixtureRequest) -> StudyResult:
    """A complete study, and three that found little."""
    result: StudyResult = getattr(synthetic_study, request.param)()
    return result
