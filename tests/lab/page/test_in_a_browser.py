"""Pages in Chromium: they open without breaking their own policy, and text of the user's never runs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import minisgd as ms
from minisgd.cli import main
from minisgd.lab.claims.report.page import write_report as write_claims
from minisgd.lab.claims.run.result import Claims
from minisgd.lab.page.svg import svg
from minisgd.lab.runs.compare import compare
from minisgd.lab.study.report import write_report
from tests.browser.faults import faults
from tests.lab.claims.report.test_page import made_up
from tests.lab.study import synthetic_study

HOSTILE = (
    "</title></text></svg></script><script>document['title']='ran'</script><img src=x onerror=document['title']='ran'>"
)


def data() -> ms.Dataset:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3)).astype(np.float32)
    return ms.Dataset.from_arrays(x, np.where(x[:, 0] > 0, HOSTILE, "other"), validation=0.25, name=HOSTILE)


def write_study(folder: Path) -> Path:
    study = synthetic_study.study()
    texts = {name: HOSTILE for name in ("data", "model", "optimizer", "command")}
    return write_report(replace(study, **texts, left_open=(HOSTILE,)), folder)


def write_explorer(folder: Path) -> Path:
    net = ms.train(ms.Network(ms.Linear(2)), data(), epochs=1).network
    return ms.explore(net, data()).save(folder / "explorer.html")


def train(folder: Path, name: str) -> Path:
    line = f"train --data digits --model linear --epochs 2 --quiet --out {folder / name}"
    assert main([*line.split(), "--lr", "0.1" if name == "a" else "0.2"]) == 0
    return folder / name / "report.html"


def write_comparison(folder: Path) -> Path:
    runs = [train(folder, name).parent for name in "ab"]
    return compare(runs).save(folder / "compared.html")


def write_probe(folder: Path) -> Path:
    line = f"probe noise --data digits --model linear --examples 100 --probes 4 --quiet --out {folder}"
    assert main(line.split()) == 0
    return folder / "report.html"


WRITERS = {
    "study": write_study,
    "training": lambda folder: train(folder, "a"),
    "comparison": write_comparison,
    "probe": write_probe,
    "claims": lambda folder: write_claims(Claims(made_up().answers, (("data", HOSTILE),), HOSTILE, 1.0), folder),
    "explorer": write_explorer,
}


def opened(browser: Any, path: Path) -> tuple[Any, list[str]]:
    """Open a page; return it, and the list of what it complains of, of requests, and of violations of its policy."""
    page, told = browser.new_page(), []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: told.append(request.url) if request.url != path.as_uri() else None)
    page.goto(path.as_uri())
    page.wait_for_timeout(200)
    return page, [text for text in told if not text.startswith("data:")]


@pytest.mark.parametrize("name", WRITERS)
def test_a_page_opens_without_violations_and_text_does_not_run(browser: Any, tmp_path: Path, name: str) -> None:
    path = WRITERS[name](tmp_path)
    page, told = opened(browser, path)
    assert told == [] and page.title() != "ran"
    assert page.locator("script").count() == 1 and page.locator("img[src=x]").count() == 0
    # and should text get into the page all the same, as a script or a picture, the policy stops it
    page.evaluate("html => document.body.append(document.createRange().createContextualFragment(html))", HOSTILE)
    page.wait_for_timeout(200)
    assert page.title() != "ran" and page.locator("script").count() == 2


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_no_page_has_a_serious_fault_for_those_who_cannot_see_it(
    browser: Any, tmp_path: Path, name: str, dark: bool
) -> None:
    context = browser.new_context(color_scheme="dark" if dark else "light", bypass_csp=True)
    page = context.new_page()
    page.goto(WRITERS[name](tmp_path).as_uri())
    assert faults(page, thorough=True) == []
    context.close()


def test_titles_and_labels_of_a_figure_do_not_run(browser: Any, tmp_path: Path) -> None:
    figure = Figure()
    ax = figure.subplots()
    ax.plot([0, 1], [1, 2], label=HOSTILE)
    ax.set_title(HOSTILE)
    ax.legend()
    path = tmp_path / "figure.html"
    path.write_text(f"<!doctype html><title>figure</title>{svg(figure, 'figure', HOSTILE, HOSTILE)}", encoding="utf-8")
    page, told = opened(browser, path)  # without a policy: this is the escaping alone
    assert told == [] and page.title() == "figure" and page.locator("script, img").count() == 0


def test_a_policy_is_in_every_page() -> None:
    root = Path(ms.__file__).parent
    templates = [path.read_text() for path in root.rglob("*.html.j2")]
    whole = [text for text in templates if re.search("<!doctype", text, re.I)]
    assert whole and all("Content-Security-Policy" in text for text in whole)
