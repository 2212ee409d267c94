"""The picture of sharpness during training: of any training, even one that left the road."""

from __future__ import annotations

import pytest

from minisgd.lab import plots
from minisgd.lab.instruments.curvature.picture import draw_sharpness
from minisgd.lab.instruments.curvature.tracker import SharpnessSample

pytest.importorskip("matplotlib")

NAN = float("nan")


@pytest.mark.parametrize(
    "rows",
    [
        [(0, 1.0, 2.0, 4.0, True), (10, 0.5, 4.1, 4.0, True)],
        [(0, 1.0, 2.0, NAN, False), (10, 0.5, 3.0, NAN, True)],
        [(0, 1.0, 2.0, 4.0, True), (10, NAN, NAN, 4.0, False)],
        [(0, 0.0, 0.0, 4.0, True)],
        [(0, NAN, NAN, NAN, False)],
    ],
)
def test_pictures(rows: list[tuple[int, float, float, float, bool]]) -> None:
    samples = [
        SharpnessSample(step, loss, value, 0.1, converged, 0.5, threshold, 32)
        for step, loss, value, threshold, converged in rows
    ]
    assert plots.png(draw_sharpness(samples)).startswith(b"\x89PNG")
