"""Pages are jinja2 templates that share one style sheet."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from minisgd.errors import missing_extra


def load_template(package: str) -> Any:
    """Return the template.html.j2 of a package, with the style sheet as ``style``.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    fix = "pip install 'minisgd[report]'"
    with missing_extra("the report", expected="written with jinja2", got="no jinja2", fix=fix):
        from jinja2 import Environment, StrictUndefined
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals["style"] = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return environment.from_string(files(package).joinpath("template.html.j2").read_text(encoding="utf-8"))
