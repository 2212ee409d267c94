"""What a budget costs: when two studies agree, and that the comparison runs."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from benchmarks.cpu.budget import agree, main


def answer(batch_size: int, low: float | None, high: float | None, tied: tuple[int, ...] = ()) -> dict[str, Any]:
    fit = {"b_crit_low": low, "b_crit_high": high}
    return {"recommendation": {"batch_size": batch_size, "tied_with": list(tied)}, "fit": fit}


@pytest.mark.parametrize(
    ("limited", "expected"),
    [
        (answer(16, 60, 90), (True, True)),
        (answer(64, 20, 70), (True, True)),
        (answer(256, 90, None), (False, False)),
        (answer(16, 80, None), (True, True)),
    ],
)
def test_they_agree_on_what_is_tied_and_where_intervals_overlap(
    limited: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    found = agree(answer(16, 67.5, 84.9, (64,)), limited)
    assert (found["recommendation"], found["critical batch size"]) == expected


def test_a_comparison_is_written_in_short(tmp_path, capsys, known_step_times) -> None:
    file = tmp_path / "budget.json"
    sizes = ["--batch-sizes", "16,64,256", "--seeds", "2", "--budget", "1h"]
    assert main(["--data", "digits", "--model", "mlp:8", *sizes, "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert all(found["agree"].values()) and "agreement: recommendation yes" in capsys.readouterr().out
    for result in found["studies"].values():
        assert "learning_curve" not in result["batch_sizes"][0] and math.isfinite(result["seconds_taken"])
