"""What keeps people from using a page: checks of our own, and axe-core where ``axe-playwright-python`` is installed."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec

CHECKS = """() => {
  const bad = [];
  const every = (selector) => [...document.querySelectorAll(selector)];
  const named = (e) => (e.getAttribute("aria-label") || e.textContent || e.labels?.[0]?.textContent || "").trim();
  const nameless = every("button, input, a[href], [role=img]").filter((e) => !named(e));
  bad.push(...nameless.map((e) => `no name: ${e.outerHTML}`));
  const ids = every("[id]").map((e) => e.id);
  if (ids.length > new Set(ids).size) bad.push("an id stands twice");
  let level = 0;
  for (const e of every("h1, h2, h3")) {
    if (Number(e.tagName[1]) > level + 1) bad.push(`a level is left out: ${e.textContent}`);
    level = Number(e.tagName[1]);
  }
  if (every("svg[role]").some((e) => !e.querySelector("desc")?.textContent)) bad.push("an SVG without description");
  if (!document.documentElement.lang || !document.title) bad.push("no language or title");
  if (every("main").length !== 1 || every("h1").length !== 1) bad.push("not one main part with one heading");
  return bad;
}"""


def faults(page, thorough: bool = False) -> list[str]:
    """Return the serious faults of a page, thoroughly (some seconds) also those that axe-core finds, where it is."""
    found = page.evaluate(CHECKS)
    if not thorough or find_spec("axe_playwright_python") is None:
        return found
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    results = page.evaluate("axe.run()")
    return found + [
        f"{fault['id']}: {fault['nodes'][0]['html'][:200]}"
        for fault in results["violations"]
        if fault["impact"] in ("serious", "critical")
    ]
