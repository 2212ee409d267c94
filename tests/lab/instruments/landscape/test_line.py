"""The loss along a line: parabolas, ends that are the networks' own losses, files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.errors import ArgumentError, OutputError
from tests.lab.instruments.curvature.smooth_functions import quadratic


@pytest.fixture(scope="module")
def trained() -> Any:
    """Return the digits and two training runs of a network with BatchNorm."""
    data = ms.datasets.digits(validation=0.2)
    network = ms.model("mlp-bn:8", data.input_shape, 10)
    return data, *(ms.train(network, data, epochs=2, seed=seed, dtype="float64") for seed in (0, 1))


def test_a_quadratic_along_a_line_is_a_parabola() -> None:
    subject, d = quadratic(1, 9, at=[2.0, 1.0]), np.array([1.0, -1.0])
    line = ms.loss_line(subject, direction=d, span=(-1, 3), points=9)
    t = np.linspace(-1, 3, 9)
    assert_allclose(line.t, t, rtol=1e-12)
    assert_allclose(line.loss, 0.5 * ((2 + t) ** 2 + 9 * (1 - t) ** 2), rtol=1e-12)
    assert_allclose(line.length, 2**0.5)
    assert line.val_loss is None and line.examples is None and line.ends == "direction"


def test_the_ends_are_the_networks(trained: Any) -> None:
    """Running statistics too: at t = 1 it is the second network's loss, not that of a chimera."""
    data, one, other = trained
    line = ms.loss_line(one.network, data, to=other.network, points=41)
    for t, run in ((0, one), (1, other)):
        at = np.argmin(np.abs(np.array(line.t) - t))
        assert_allclose(line.loss[at], run.evaluate("train")["loss"], rtol=1e-10)
        assert_allclose(line.val_loss[at], run.evaluate("validation")["loss"], rtol=1e-10)  # type: ignore[index]
    assert_allclose(line.length, np.linalg.norm(one.network.vector - other.network.vector), rtol=1e-12)
    assert line.examples == len(data.train) and line.ends == "networks"
    assert line.barrier > 0


def test_between_the_ends_weights_and_statistics_are_mixed(trained: Any) -> None:
    data, one, other = trained
    middle = one.network.copy()
    middle.vector[...] = (one.network.vector + other.network.vector) / 2
    middle.statistics[...] = (one.network.statistics + other.network.statistics) / 2
    line = ms.loss_line(one.network, data, to=other.network, span=(0, 1), points=3)
    assert_allclose(line.loss[1], ms.evaluate(middle, one.loss, data.train, data.scale)["loss"], rtol=1e-10)


def test_a_barrier_is_the_rise_above_the_chord() -> None:
    from minisgd.lab.instruments.landscape.line import LossLine

    t = tuple(np.linspace(-0.5, 1.5, 21))
    hill = LossLine(t, tuple(1 + x + 4 * x * (1 - x) for x in t), None, 1.0, "networks", None)
    bowl = LossLine(t, tuple((x - 0.5) ** 2 for x in t), None, 1.0, "networks", None)
    assert_allclose([hill.barrier, bowl.barrier], [1, 0], atol=1e-12)


def test_files(trained: Any, tmp_path: Path) -> None:
    data, one, _ = trained
    one.network.copy()
    line = ms.loss_line(one.network, data, points=5, span=(-1e200, 1e200))
    document = json.loads(line.save(tmp_path / "line.json").read_text())
    assert len(document["t"]) == len(document["loss"]) == len(document["val_loss"]) == 5
    assert document["loss"][2] == line.loss[2]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="path"):
        line.save(tmp_path / "file" / "line.json")


def test_a_loss_that_overflows_is_null(tmp_path: Path) -> None:
    subject = quadratic(1e300, at=[1.0])
    with np.errstate(over="ignore"):
        line = ms.loss_line(subject, direction=np.array([1e200]), points=3)
    assert json.loads(line.save(tmp_path / "line.json").read_text())["loss"][0] is None


def test_wrong_uses_are_refused(trained: Any) -> None:
    data, one, other = trained
    cases: list[tuple[dict[str, Any], str]] = [
        ({"to": other.network, "direction": one.network.vector}, "left out with to"),
        ({"span": (1, -1)}, "span must be two numbers, the smaller first"),
        ({"span": (0, np.inf)}, "span must be two numbers"),
        ({"points": 1}, "points must be at least 2"),
        ({"points": 2.5}, "points must be a positive integer"),
        ({"to": one.network}, "not zero"),
    ]
    for options, text in cases:
        with pytest.raises(ArgumentError, match=text):
            ms.loss_line(one.network, data, **options)
