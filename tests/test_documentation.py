"""The documentation has an entry for every public name; .ci/run builds it, runs its commands and follows its links."""

from __future__ import annotations

import re
from pathlib import Path

import minisgd

PAGES = Path(__file__).resolve().parent.parent / "docs" / "pages"


def test_every_public_name_is_in_the_reference() -> None:
    markers = [re.findall(r"<!-- public names: (.*) -->", page.read_text()) for page in (PAGES / "api").glob("*.md")]
    documented = {package for (names,) in filter(None, markers) for package in names.split()}
    assert documented == {f"minisgd.{floor}" for floor in minisgd._FLOORS}


def test_every_page_is_in_the_navigation() -> None:
    nav = (PAGES.parent / "mkdocs.yml").read_text()
    for page in [*PAGES.rglob("*.md"), *PAGES.rglob("tutorials/*.py")]:
        assert f": {page.relative_to(PAGES)}\n" in nav, page
