"""The report of a study in a real browser: what hovering, keys, switches, tables, buttons and print do."""

from __future__ import annotations

import re

import pytest

from minisgd.lab import words
from minisgd.lab.study.report import write_report
from tests.browser.faults import faults
from tests.lab.study import synthetic_study

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture(scope="module")
def study():
    return synthetic_study.study()


@pytest.fixture(scope="module")
def report(study, tmp_path_factory):
    return write_report(study, tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_report(synthetic_study.single(), tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def page(browser, report):
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(f"file://{report}")
    yield page
    page.close()


def test_hovering_says_the_numbers_and_lights_what_belongs_together(page, study):
    b = study.batch_sizes[2]
    point = page.locator(f'[data-name="race-0"] [data-link="B{b.batch_size}"]')
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 + 8, box["y"] + box["height"] / 2 - 8)  # near is enough
    said = page.inner_text("#tip")
    assert said.startswith(f"batch size {b.batch_size}\n{words.count(b.steps_to_target.median)} steps")
    assert "95% interval" in said and "5 of 5 seeds" in said
    assert page.locator("tr.lit th").inner_text() == str(b.batch_size)
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden() and page.locator(".lit").count() == 0


def test_arrow_keys_walk_over_the_cells_and_light_their_curves(page, study):
    cells = page.locator('[data-name="heatmap"] [tabindex="0"].point')
    assert cells.count() == 1
    cells.focus()
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    row = study.batch_sizes[0].lr_grid[1]
    assert f"learning rate {words.number(row.lr)}" in page.inner_text("#tip")
    assert page.locator('[data-name="heatmap"] .lit').count() == 2  # the cell and its curve


def test_what_scrolls_away_from_a_resting_pointer_darkens_nothing(page):
    race, cells = page.locator('[data-name="race-0"]'), page.locator('[data-name="heatmap"] [tabindex="0"].point')
    race.scroll_into_view_if_needed()
    box = race.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.evaluate("document.activeElement.blur()")
    cells.focus()  # far below
    page.wait_for_timeout(300)  # the browser says only with its next frame that the pointer has left the race
    assert page.locator('[data-name="heatmap"] .lit').count() == 2
    page.keyboard.press("Escape")


def test_switch_changes_the_unit(page):
    shown = page.locator("section:has(#race) .view:visible svg")
    assert shown.get_attribute("data-name") == "race-0"
    page.locator("section:has(#race) .switch label", has_text="FLOPs").click()
    assert shown.get_attribute("data-name") == "race-3"
    page.keyboard.press("ArrowLeft")
    assert shown.get_attribute("data-name") == "race-2"


def test_table_is_sorted_filtered_and_copied(page, study):
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    first = page.locator("table.sortable tbody tr:visible th")
    page.get_by_role("button", name="time to target").click()
    quickest = min(study.batch_sizes, key=lambda b: b.seconds_to_target.median)
    assert first.first.inner_text().splitlines()[0] == str(quickest.batch_size)
    page.get_by_role("button", name="time to target").click()
    assert page.locator('[aria-sort="descending"]').inner_text().startswith("time to target")
    page.get_by_role("searchbox").fill("full")
    assert first.count() == 1 and "1 of 7 rows" in page.inner_text(".tools")
    page.get_by_role("button", name="Copy as CSV").click()
    header, row = page.evaluate("window.copied").splitlines()
    values = dict(zip(header.split(","), row.split(","), strict=True))
    full = study.batch_sizes[-1]
    assert values["batch size"] == "1437" and float(values["memory"]) == pytest.approx(full.memory_bytes, rel=1e-5)
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="Copy the command").last.click()
    assert page.evaluate("window.copied") == study.command


def test_pictures_are_saved_as_files_of_their_own(page):
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save memory as SVG").click()
    text = waiting.value.path().read_text(encoding="utf-8")
    assert text.startswith("<svg") and "light-dark" not in text and "<title>How much memory?</title>" in text
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save memory as PNG").click()
    assert waiting.value.path().read_bytes().startswith(b"\x89PNG")


def test_phones_and_dark_pages(opened, report):
    page = opened(report, width=400, dark=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    colours = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('svg text')).fill]"
    )
    background, ink = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours]
    assert background < 150 and ink > 500


@pytest.mark.parametrize("dark", [False, True])
def test_no_faults_for_those_who_cannot_see_it(page, opened, dark, small):
    assert faults(opened(small, dark=dark, bypass_csp=True), thorough=True) == []
    assert faults(page) == []


def test_print_has_few_pages(page):
    pages = page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n")
    assert 4 <= pages <= 6


def test_without_a_script_everything_is_there(browser, report, study):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{report}")
    assert page.locator("svg:visible").count() == 6 and page.locator("tbody tr:visible").count() == 7
    page.locator("section:has(#race) .switch label", has_text="time").click()
    assert page.locator('[data-name="race-2"]').is_visible()
    context.close()
