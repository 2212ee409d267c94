"""Pictures of landscapes: they are made of every kind, even of losses that overflow, and show what they say."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minisgd as ms
from minisgd.lab.instruments.landscape import picture as landscape_picture
from minisgd.lab.instruments.landscape.line import LossLine
from minisgd.lab.instruments.landscape.plane import LossPlane
from tests.lab.instruments.curvature.smooth_functions import quadratic

pytest.importorskip("matplotlib")

PNG = b"\x89PNG"


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the words on the pictures that are made."""
    found: list[str] = []
    make = landscape_picture.plots.png

    def png(page: Any) -> bytes:
        content = make(page)
        found.extend(text.get_text() for text in page.findobj(import_module("matplotlib.text").Text))
        return content

    monkeypatch.setattr(landscape_picture.plots, "png", png)
    return found


@pytest.mark.parametrize("val", [True, False])
@pytest.mark.parametrize("ends", ["networks", "direction"])
@pytest.mark.parametrize("top", [2.0, 1e6, float("inf")])
def test_lines(ends: str, val: bool, top: float, words: list[str], tmp_path: Path) -> None:
    t = (-0.5, 0.0, 0.5, 1.0, 1.5)
    loss = (1.0, 0.5, 0.7, 0.4, top)
    line = LossLine(t, loss, loss if val else None, 7.96, ends, 100)
    assert line.save(tmp_path / "line.png").read_bytes().startswith(PNG)
    assert "mean loss" in words and "training examples" in words
    assert ("validation examples" in words) == val
    assert any("one unit is 7.96" in text for text in words)


def test_a_page_and_an_svg_by_the_ending_of_the_path(tmp_path: Path) -> None:
    line = LossLine((0.0, 0.5, 1.0), (1.0, 0.5, 0.7), None, 7.96, "networks", 100)
    page = line.save(tmp_path / "line.html").read_text("utf-8")
    finding = "The mean loss on the line is from 0.5 to 1, of 100 examples."
    assert finding in page and "<svg " in page and "Content-Security-Policy" in page
    assert line.save(tmp_path / "line.svg").read_text("utf-8").startswith("<svg ")


@pytest.mark.parametrize("loss", [np.ones((3, 3)), np.full((3, 3), np.nan), np.diag([1.0, np.inf, 1e5])])
def test_planes_of_odd_losses(loss: Any, words: list[str], tmp_path: Path) -> None:
    at = np.linspace(-1, 1, 3)
    plane = LossPlane(at, at, loss, ((0.0, 0.0),), (), (1.0, 2.0), "random", 10)
    assert plane.save(tmp_path / "plane.png").read_bytes().startswith(PNG)
    assert "mean loss" in words and "network" in words


def test_planes_with_points_and_a_path(words: list[str], tmp_path: Path) -> None:
    e = np.eye(3)
    path = np.array([[1.0, 1, 1], [0.5, 0.5, 1]])
    ms.loss_plane(quadratic(1, 2, 3), directions=(e[0], e[1]), path=path, points=5).save(tmp_path / "path.png")
    assert "path of the training run" in words and "Loss along the path of training" in words
    ms.loss_plane(quadratic(1, 2, 3), through=(e[0], e[1]), points=5).save(tmp_path / "three.png")
    assert {"1", "2", "3", "networks", "Loss on the plane through three networks"} <= set(words)
