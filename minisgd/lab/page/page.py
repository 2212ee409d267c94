"""Pages: jinja2 templates that extend one skeleton, with a style sheet and a script, and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from minisgd.errors import missing_extra
from minisgd.files import to_json, write_atomically
from minisgd.lab import plots
from minisgd.lab.page.svg import svg
from minisgd.lab.plots import Figure

SCRIPT = "page.js"

PARTS: dict[str, Any] = dict.fromkeys(("facts", "usage", "cautions", "plots", "tables", "setting"), ())
PARTS |= {"differences": None, "live": False}
"""What the template of this package shows only where it is given."""


@dataclass(frozen=True)
class View:
    """One way of drawing a plot: its name on the switch, the figure, and a caption that says what it shows here."""

    name: str
    figure: Figure
    caption: str


@dataclass(frozen=True)
class Plot:
    """A plot of a page: a question, views among which a switch chooses, and the cautions that concern it."""

    name: str
    question: str
    views: Sequence[View]
    cautions: Sequence[str] = ()

    def drawn(self) -> list[tuple[View, str]]:
        """Return each view with its SVG."""
        several = len(self.views) > 1
        return [
            (view, svg(view.figure, f"{self.name}-{k}" if several else self.name, self.question, view.caption))
            for k, view in enumerate(self.views)
        ]


def render(package: str, scripts: Sequence[tuple[str, str]] = (), **context: Any) -> str:
    """Fill in the template.html.j2 of a package.

    Args:
        package: The package of the template.
        scripts: Package and file of the scripts that the page runs, and no others; by default ``page.js``.
        **context: What the template names.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    fix = "pip install 'minisgd[report]'"
    with missing_extra("jinja2", expected="installed, to write the report", got="no such package", fix=fix):
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    here = __package__ or ""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(lambda name: read(here, name)),
    )
    script = "\n".join(read(*each) for each in scripts or [(here, SCRIPT)])
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals |= PARTS | {"style": read(here, "style.css"), "script": script, "digest": digest}
    return environment.from_string(read(package, "template.html.j2")).render(context)


def write_page(path: str | Path, package: str, **context: Any) -> Path:
    """Write a page to a file, and return its path.

    Raises:
        MissingExtraError: jinja2 is not installed.
        OutputError: The file cannot be written.
    """
    return write_atomically(path, render(package, **context).encode("utf-8", "replace"))


def save(path: str | Path, document: Mapping[str, Any], draw: Callable[[], Figure], caption: str) -> Path:
    """Write what an instrument found, by the ending of the path: .png or .svg, a page (.html), or its numbers as JSON.

    Returns:
        The path.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".png", ".svg", ".html"):
        return write_atomically(path, to_json(document).encode(), "path")
    figure = draw()
    if suffix == ".png":
        return write_atomically(path, plots.png(figure), "path")
    title = figure.texts[0].get_text()
    if suffix == ".svg":
        return write_atomically(path, svg(figure, Path(path).stem, title, caption).encode(), "path")
    about = {"title": title, "over": "minisgd probe", "answer": title, "why": caption}
    plot = Plot("plot", "What does it look like?", [View("", figure, caption)])
    return write_atomically(path, render(__package__ or "", **about, plots=[plot]).encode(), "path")


def read(package: str, name: str) -> str:
    """Return the text of a file of a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")
