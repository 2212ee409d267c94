from __future__ import annotations

import base64
import dataclasses
import hashlib
import math
import re
import sys
from html.parser import HTMLParser

import pytest
from markupsafe import escape

import minisgd.lab.page.page as page_module
from minisgd.errors import MissingExtraError, OutputError
from minisgd.lab import words
from minisgd.lab.study.cautions import cautions
from minisgd.lab.study.report import write_report
from tests.lab.study import synthetic_study

VOID = {"meta", "img", "br", "hr", "link", "input"}
NAMES = ("race", "learning_rate", "heatmap", "curves", "throughput", "memory")


class Checker(HTMLParser):
    """Follow the tags, remember the attributes and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text += data


def read(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == [], "tags left open"
    return checker


@pytest.fixture(scope="module")
def written(any_study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    path = write_report(any_study, folder)
    return any_study, folder, path, read(path.read_text(encoding="utf-8"))


def test_page_is_written_and_nothing_else(written):
    _, folder, path, _ = written
    assert path == folder / "report.html"
    assert [p.name for p in folder.iterdir()] == ["report.html"]


def test_page_needs_no_network_and_stays_small(written):
    _, _, path, page = written
    html = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "data:", path.read_text(encoding="utf-8"))
    html = re.sub(r'xmlns(:xlink)?="http://www.w3.org/[^"]+"|<script>.*</script>', "", html, flags=re.S)
    assert "//" not in html and "@import" not in html and "<script" not in html
    assert all(value.startswith(("data:", "#")) for _, name, value in page.attributes if name in ("src", "href"))
    assert path.stat().st_size < 1_000_000


def test_page_allows_its_own_script_and_no_other(written):
    html = written[2].read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html and "default-src 'none'" in html


def test_page_opens_with_the_answer(written):
    result, _, _, page = written
    best = result.recommendation
    opening = page.text[: page.text.index("What was done")]
    assert best.why in opening
    if best.batch_size is None:
        assert "No batch size can be recommended" in opening
    else:
        assert str(best.batch_size) in opening


def test_no_number_is_left_raw(written):
    assert not re.search(r"\b(nan|inf|None|True|False)\b", written[3].text)
    assert not re.search(r"\d\.\d{6,}", written[3].text)


def test_every_picture_is_described_and_no_id_stands_twice(written):
    html = written[2].read_text(encoding="utf-8")
    pictures = re.findall(r'<svg [^>]*aria-labelledby="(\S+) (\S+)".*?</svg>', html, flags=re.S)
    assert {title.removesuffix("-title").rstrip("-0123") for title, _ in pictures} == set(NAMES)
    for title, text in pictures:
        assert re.search(rf'<title id="{title}">[^<]+</title><desc id="{text}">[^<]{{25,}}</desc>', html)
    ids = [value for _, name, value in written[3].attributes if name == "id"]
    assert len(ids) == len(set(ids))
    references = re.findall(r'url\(#([^)"]+)\)|href="#([^"]+)"', html)
    assert {a or b for a, b in references} <= set(ids)


def test_points_say_the_numbers_behind_them(study, tmp_path):
    page = read(write_report(study, tmp_path).read_text(encoding="utf-8"))
    said = [value for _, name, value in page.attributes if name == "data-said"]
    for b in study.batch_sizes:
        interval = words.interval(b.steps_to_target.low, b.steps_to_target.high, words.count)
        steps = f"{words.count(b.steps_to_target.median)} steps\n95% interval {interval}\n5 of 5 seeds"
        assert any(text.startswith(f"batch size {b.batch_size}") and steps in text for text in said)
    cells = [value for _, name, value in page.attributes if name == "data-link" and "-" in value]
    names = [f"B{b.batch_size}-{row.lr:.9g}" for b in study.batch_sizes for row in b.lr_grid]
    assert all(sum(name in value.split() for value in cells) >= 1 for name in names)


def test_cautions_stand_beside_the_plot_they_concern(tmp_path):
    result = synthetic_study.partial()
    html = write_report(result, tmp_path).read_text(encoding="utf-8")
    for caution in cautions(result):
        for name in caution.about:
            section = html[html.index(f'<h2 id="{name}"') :]
            assert str(escape(caution)) in section[: section.index("</section>")]


def test_table_has_a_row_for_each_batch_size(written):
    result, _, path, page = written
    assert path.read_text(encoding="utf-8").count("<th scope=row") == len(result.batch_sizes)
    missed = [b for b in result.batch_sizes if math.isinf(b.steps_to_target.median)]
    assert page.text.count("not reached") >= 3 * len(missed)


def test_page_says_how_to_repeat_it_and_defines_its_words(written):
    result, _, _, page = written
    assert result.command in page.text
    assert all(str(value) in page.text for value in result.environment.values())
    assert "Bcrit = Emin / Smin" in page.text


def test_accuracy_column_only_where_there_is_an_accuracy(written):
    result, _, _, page = written
    assert ("validation accuracy" in page.text.split("Every number")[1]) == (
        result.batch_sizes[0].val_accuracy is not None or "accuracy" in result.target.metric
    )


def test_same_result_same_bytes(tmp_path):
    result = synthetic_study.single()
    one, two = write_report(result, tmp_path / "a"), write_report(result, tmp_path / "b")
    assert one.read_bytes() == two.read_bytes()


@pytest.fixture
def unpainted(monkeypatch):
    """Leave out the rendering of the pictures where only the words are looked at."""
    monkeypatch.setattr(page_module, "svg", lambda *figure: "picture")


@pytest.mark.usefixtures("unpainted")
def test_names_from_outside_are_escaped(study, tmp_path):
    odd = dataclasses.replace(
        study, data='<b>"x" & y</b>', command="minisgd --data 'a<b'", environment={"os": {"a": "<i>"}}
    )
    page = read(write_report(odd, tmp_path).read_text(encoding="utf-8"))
    assert '<b>"x" & y</b>' in page.text and "'a<b'" in page.text and '{"a": "<i>"}' in page.text


def test_cautions_name_what_is_uncertain(study):
    assert cautions(study) == []
    edge = dataclasses.replace(study.batch_sizes[2], lr_on_edge=True)
    batches = (*study.batch_sizes[:2], edge, *study.batch_sizes[3:])
    assert "16" in cautions(dataclasses.replace(study, batch_sizes=batches))[0]
    far = dataclasses.replace(study.fit, b_crit=9999.0)
    assert "extrapolation" in cautions(dataclasses.replace(study, fit=far))[0]
    assert "at least 5" in cautions(dataclasses.replace(study, seeds=(0, 1)))[0]


@pytest.mark.usefixtures("unpainted")
@pytest.mark.parametrize("b_crit", [0.0, math.inf])
def test_unresolved_critical_batch_size_is_said_in_words(study, tmp_path, b_crit):
    s_min, e_min = (0.0, 9000.0) if b_crit else (90.0, 0.0)
    fit = dataclasses.replace(study.fit, s_min=s_min, e_min=e_min, b_crit=b_crit)
    page = read(write_report(dataclasses.replace(study, fit=fit), tmp_path).read_text(encoding="utf-8"))
    assert ("above them all" if b_crit else "below them all") in page.text


@pytest.mark.parametrize("module", ["matplotlib.figure", "matplotlib.backends.backend_agg", "jinja2"])
def test_missing_extra_is_named_and_nothing_is_written(study, tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'minisgd\[report\]'"):
        write_report(study, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("unpainted")
def test_folder_that_cannot_be_written_is_refused(study, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="folder"):
        write_report(study, tmp_path / "taken")
