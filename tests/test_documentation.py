"""The documentation has an entry for every public name; .ci/run builds it, runs its commands and follows its links."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import tomllib
from pathlib import Path

import minisgd
from minisgd.lab.claims.sentences.table import CLAIMS

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "pages"


def test_every_public_name_is_in_the_reference() -> None:
    markers = [re.findall(r"<!-- public names: (.*) -->", page.read_text()) for page in (PAGES / "api").glob("*.md")]
    documented = {package for (names,) in filter(None, markers) for package in names.split()}
    assert documented == {f"minisgd.{floor}" for floor in (*minisgd._FLOORS, "interop")}


def test_every_file_of_the_glossary_is_there() -> None:
    """A path is written once whole; a file beside it by its name."""
    text = (PAGES / "glossary.md").read_text()
    paths = re.findall(r"`([\w/]+/[\w.]+\.py)`", text)
    assert len(paths) > 15
    folders = {(ROOT / path).parent for path in paths}
    for path in paths:
        assert (ROOT / path).is_file(), path
    for name in re.findall(r"`(\w+\.py)`", text):
        assert any((folder / name).is_file() for folder in folders), name


TERMS = (
    "Activation function", "Adam", "Adapter layer", "Attention", "Autoencoder", "Backpropagation",
    "Batch normalisation", "Boltzmann machine", "Lexicon",
)  # fmt: skip


def test_every_term_of_the_glossary_has_its_formula_its_file_and_what_to_run() -> None:
    entries = (PAGES / "glossary.md").read_text().split("\n**")[1:]
    found = {entry.partition(".**")[0]: entry for entry in entries}
    assert set(TERMS) <= found.keys() and list(found) == sorted(found)
    for term, entry in found.items():
        assert re.search(r"[=←]|max\(", entry) or term == "Freezing", term
        assert re.search(r"`minisgd/[\w/]+\.py`", entry), term
        assert re.search(r"`(examples|docs/pages/tutorials)/\w+\.py`", entry), term


def test_every_page_is_in_the_navigation() -> None:
    nav = (PAGES.parent / "mkdocs.yml").read_text()
    for page in [*PAGES.rglob("*.md"), *PAGES.rglob("tutorials/*.py")]:
        assert f": {page.relative_to(PAGES)}\n" in nav, page


def test_the_operations_of_the_page_on_ones_own_code_are_those_there_are() -> None:
    """And all of them, but those that recording and feeds use themselves."""
    from minisgd.backend import Ops

    table = (PAGES / "own.md").read_text().partition("## The operations")[2]
    named = set(re.findall(r"`(\w+)(?:\([^`]*\))?`", table)) - {"out", "keepdims"}
    own = {name for name in vars(Ops) if not name.startswith("_")}
    views = {"constant", "ones", "arange", "broadcast", "windows", "batch_transfer"}
    assert named == own - views - {"elementwise", "rescale", "take_rescaled", "take_next"}


def test_the_guide_sets_runs_side_by_side_and_says_where_they_differ(tmp_path, monkeypatch) -> None:
    """Whatever runs are there: the one of the images may be missing."""
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None and spec.loader is not None
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    alone = hooks.claims("digits nowhere")
    rows = json.loads((ROOT / "docs" / "measured" / "digits.json").read_text())
    assert "| verdict | **" in alone and "Where they differ" not in alone
    assert alone.count("*Literature:* ") == len(CLAIMS)
    assert alone.count("Not in these runs") == len(CLAIMS) - len(rows)
    assert set(tomllib.loads((ROOT / "docs" / "literature.toml").read_text("utf-8"))) == set(map(str, CLAIMS))
    measured = tmp_path / "docs" / "measured"
    measured.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "literature.toml", measured.parent)
    (measured / "digits.json").write_text(json.dumps(rows))
    rows[8] |= {"verdict": "supported", "setting": {"processor": "a processor"}, "command": "minisgd claims --only 9"}
    (measured / "images.json").write_text(json.dumps(rows[8:9]))
    monkeypatch.setattr(hooks, "ROOT", tmp_path)
    both = hooks.claims("digits images")
    assert "- **9** Large batches need fewer epochs. refuted on digits, supported on images." in both
    assert re.search(r"\| processor \| .* \| a processor \|", both) and "| `minisgd claims` |" in both
    assert "| verdict | **refuted** | **supported** (refuted after Holm) |" in both
