"""Pages in a headless Chromium."""

from __future__ import annotations

import pytest


@pytest.fixture
def opened(browser):
    """Open a file in a page of its own; whatever the page says on its console is a failure."""
    contexts, said = [], []

    def open_page(path, width: int = 1200, dark: bool = False, **options):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path if "://" in str(path) else f"file://{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
