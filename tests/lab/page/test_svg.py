"""The SVG of a figure: described, its points with their numbers, its colours for both kinds of page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from minisgd.lab import plots, words
from minisgd.lab.page import say, svg


def drawn(name: str = "one", **look) -> str:
    page, ax = plots.figure("Loss")
    ax.plot([1, 2, 3], [0.5, float("nan"), 0.25], marker="o", color=plots.BLUE, label="training", **look)
    (curve,) = ax.plot([1, 3], [1, 2], color="#440154")
    say(curve, ["the fit <exact>"], "fit")
    ax.fill_between([1, 2], [0, 0], [1, 1], color=plots.GREEN, hatch="//")
    ax.set_xlabel("step")
    plots.log_axis(ax, 0.1, 3, words.short, "loss")
    return svg(page, name, "What is it?", "It <falls> & rises.")


def test_is_xml_with_title_and_description_first():
    root = ElementTree.fromstring(drawn())
    assert [child.text for child in root[:2]] == ["What is it?", "It <falls> & rises."]
    assert root.get("aria-labelledby").split() == [child.get("id") for child in root[:2]]
    assert root.get("width") is None and root.get("viewBox")


def test_points_say_where_they_are_in_the_words_of_the_axes():
    assert re.findall(r'data-said="([^"]*)"', drawn()) == [
        "training&#10;step 1, loss 0.5",
        "training&#10;step 3, loss 0.25",
        "the fit &lt;exact&gt;",
    ]
    assert 'data-link="fit"' in drawn()


def test_ids_of_two_pictures_differ_and_every_reference_is_met():
    ids = [set(re.findall(r' id="([^"]+)"', drawn(name))) for name in ("one", "two")]
    assert ids[0] and not ids[0] & ids[1]
    assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', drawn())) <= {(i, "") for i in ids[0]} | {
        ("", i) for i in ids[0]
    }


def test_colours_have_a_second_one_for_dark_pages_that_others_may_leave_aside():
    text = drawn()
    assert f"{plots.BLUE.lower()};stroke:light-dark({plots.BLUE.lower()},#6cb8e6)" in text
    (light,) = set(re.findall(r"stroke:light-dark\(#440154,(#\w+)\)", text))
    assert sum(int(light[k : k + 2], 16) for k in (1, 3, 5)) > 300
    assert not re.search(r'(fill|stroke)="#', text)


def test_same_figure_same_text():
    assert drawn() == drawn()
