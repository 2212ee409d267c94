from __future__ import annotations

import json
import math

import pytest

from minisgd.lab.study.cell import CURVE_POINTS, Cell, downsample

REACHED = Cell(16, 0.1, 0, 120.5, 130, False, 0.2, 0.3, 0.95, ((0.0, 2.0, 0.1), (130.0, 0.2, 0.95)))
NEVER = Cell(16, 1.0, 0, math.inf, 40, True, math.nan, math.nan, 0.1, ((0.0, 2.0, 0.1),))


def test_a_line_is_strict_json_and_comes_back():
    line = json.loads(NEVER.to_line(), parse_constant=lambda c: pytest.fail(f"{c} is not JSON"))
    assert line["steps_to_target"] is None and line["train_loss"] is None
    assert (line["reached"], line["diverged"], line["censored"]) == (False, True, False)
    assert Cell.from_dict(json.loads(REACHED.to_line())) == REACHED
    assert math.isinf(Cell.from_dict(line).steps_to_target)


def test_downsampling_keeps_both_ends():
    points = [(float(k), 0.0, 0.0) for k in range(1000)]
    kept = downsample(points)
    assert len(kept) == CURVE_POINTS and kept[0] == points[0] and kept[-1] == points[-1]
    assert downsample(points[:5]) == tuple(points[:5])


@pytest.mark.parametrize("values", [{"batch_size": 0}, {"lr": -1.0}, {"steps_to_target": 0.0}])
def test_impossible_values_are_refused(values):
    with pytest.raises(ValueError, match="that a training run can have"):
        Cell.from_dict(json.loads(REACHED.to_line()) | values)
