"""The loss on a plane: paraboloids, planes through networks, projections of a path, files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.errors import ArgumentError
from tests.lab.instruments.curvature.smooth_functions import quadratic


def test_a_quadratic_on_a_plane_is_a_paraboloid() -> None:
    subject = quadratic(1, 9, 4, at=[1.0, 2.0, 0.0])
    d1, d2 = np.array([1.0, 0, 0]), np.array([1.0, 1.0, 0])
    plane = ms.loss_plane(subject, directions=(d1, d2), span=2, points=5)
    a, b = np.meshgrid(plane.a, plane.b, indexing="ij")
    assert_allclose(plane.a, np.linspace(-2, 2, 5))
    assert_allclose(plane.loss, 0.5 * ((1 + a + b) ** 2 + 9 * (2 + b) ** 2), rtol=1e-12)
    assert_allclose(plane.lengths, [1, 2**0.5])
    assert plane.points == ((0.0, 0.0),) and plane.kind == "chosen"


def test_a_path_is_seen_where_it_is_nearest() -> None:
    """Directions that are not orthogonal, and a step out of the plane, which does not show."""
    subject = quadratic(1, 9, 4, at=[1.0, 2.0, 0.0])
    d1, d2 = np.array([1.0, 0, 0]), np.array([1.0, 1.0, 0])
    path = subject.at + np.array([[0, 0, 0], 2 * d1 - d2, 3 * d2 + [0, 0, 7]])
    plane = ms.loss_plane(subject, directions=(d1, d2), path=path, points=3)
    assert_allclose(plane.path, [[0, 0], [2, -1], [0, 3]], atol=1e-12)
    assert plane.a[0] < 0 and plane.a[-1] > 2 and plane.b[0] < -1 and plane.b[-1] > 3


def test_the_plane_through_three_networks() -> None:
    data = ms.datasets.digits(validation=0.2)
    network = ms.model("mlp-bn:4", data.input_shape, 10)
    runs = [ms.train(network, data, epochs=1, seed=seed, dtype="float64") for seed in range(3)]
    first, *others = (run.network for run in runs)
    plane = ms.loss_plane(first, data, through=(others[0], others[1]), points=3)
    assert_allclose(plane.points[:2], [[0, 0], [1, 0]], atol=1e-10)
    x, y = plane.points[2]
    length = np.linalg.norm(others[0].vector - first.vector)
    assert_allclose(plane.lengths, [length, length], rtol=1e-10)
    assert_allclose(np.hypot(x, y) * length, np.linalg.norm(others[1].vector - first.vector), rtol=1e-10)
    assert_allclose(plane.a[-1] - plane.a[0], plane.b[-1] - plane.b[0], rtol=1e-12)  # true to scale
    around = ms.loss_plane(first, data, through=(others[0], others[1]), span=1, points=3)
    assert_allclose(around.loss[1, 1], runs[0].evaluate("train")["loss"], rtol=1e-10)
    assert_allclose(around.loss[2, 1], runs[1].evaluate("train")["loss"], rtol=1e-10)


def test_random_directions_are_those_of_the_seed() -> None:
    data = ms.datasets.digits(validation=0.0)
    network = ms.model("mlp:4", data.input_shape, 10).build(data.input_shape)
    one, same, other = (ms.loss_plane(network, data, points=3, seed=s) for s in (1, 1, 2))
    assert_allclose(one.loss, same.loss, rtol=0, atol=0)
    assert not np.allclose(one.loss, other.loss)
    assert one.loss[1, 1] == other.loss[1, 1]


def test_files(tmp_path: Path) -> None:
    with np.errstate(over="ignore"):
        plane = ms.loss_plane(quadratic(1e300, 1), directions=(np.array([1e200, 0]), np.array([0, 1.0])), points=3)
    document = json.loads(plane.save(tmp_path / "plane.json").read_text())
    assert document["loss"][0] == [None] * 3 and document["loss"][1][1] == 5e299
    assert document["points"] == [[0, 0]] and document["kind"] == "chosen"


def test_a_single_weight_has_no_plane() -> None:
    net = ms.Network(ms.Linear(1)).build((1,))
    with pytest.raises(ArgumentError, match="not parallel.*loss_line"):
        ms.loss_plane(net, (np.ones((4, 1)), np.ones(4)), points=3)


def test_wrong_uses_are_refused() -> None:
    subject, e = quadratic(1, 2, 3), np.eye(3)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"directions": (e[0], 2 * e[0])}, "not parallel"),
        ({"through": (np.array([2.0, 1, 1]), np.array([3.0, 1, 1]))}, "not parallel"),
        ({"directions": (e[0], e[1]), "through": (e[0], e[1])}, "left out with through"),
        ({"directions": (e[0], 0 * e[1])}, "finite and not zero"),
        ({"points": 1}, "at least 2"),
        ({"span": -1.0}, "span must be"),
    ]
    for options, text in cases:
        with pytest.raises(ArgumentError, match=text):
            ms.loss_plane(subject, **options)
