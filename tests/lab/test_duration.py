from __future__ import annotations

import math

from minisgd.lab.duration import parse_budget


def test_no_budget_is_all_it_takes() -> None:
    assert parse_budget("none") == parse_budget(None) == math.inf and parse_budget("2min") == 120
