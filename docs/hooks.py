"""What the documentation takes from elsewhere in the repository, so that nothing is written down twice.

A page says what it wants in a comment of its own line:

    <!-- public names: minisgd.nn -->          an entry of the reference for each name in ``minisgd.nn.__all__``
    <!-- file: benchmarks/README.md -->        that file, its links mended for the site
    <!-- command line -->                      what ``minisgd COMMAND --help`` prints, for every command
    <!-- claims: digits images -->             the claims as measured: docs/measured/digits.json, …
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = {  # files of the repository that are pages of the site
    "benchmarks/README.md": "benchmarks.md",
    "examples/README.md": "examples.md",
    "kernels/README.md": "kernels.md",
    "CONTRIBUTING.md": "adding.md",
    "CHANGELOG.md": "changes.md",
    "README.md": "index.md",
}
PICTURES = (".png", ".svg")
MARKER = re.compile(r"^<!-- (public names|file|command line|claims):? ?(.*?) ?-->$", re.M)
LINK = re.compile(r"(?P<text>!?\[[^\]]*\])\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Fill in a page's markers; called by mkdocs."""
    return MARKER.sub(lambda match: FILL[match[1]](match[2]), markdown)


def on_files(files: Any, config: Any) -> Any:
    """Take the pictures of the examples into the site; called by mkdocs."""
    from mkdocs.structure.files import File

    for picture in sorted((ROOT / "examples" / "images").glob("*.png")):
        files.append(File.generated(config, f"images/{picture.name}", abs_src_path=str(picture)))
    growth = ROOT / "benchmarks" / "results" / "growth.png"
    files.append(File.generated(config, f"images/{growth.name}", abs_src_path=str(growth)))
    return files


def public_names(packages: str) -> str:
    """Return an entry for each public name of some packages."""
    sys.path.insert(0, str(ROOT))
    entries = []
    for package in packages.split():
        module = import_module(package)
        for name in sorted(module.__all__, key=str.lower):
            value = getattr(module, name)
            path = value.__name__ if isinstance(value, type(sys)) else f"{package}.{name}"  # a module by its own name
            entries.append(f"::: {path}\n")
    return "\n".join(entries)


def file(path: str) -> str:
    """Return a file of the repository, with its links made those of the site."""
    here = PurePosixPath(path).parent

    def mended(match: re.Match[str]) -> str:
        target = match["target"]
        if "://" in target:
            return match[0]
        aim = os.path.normpath(here / target)
        if aim.endswith(PICTURES):
            return f"{match['text']}(images/{PurePosixPath(aim).name})"
        if aim in PAGES:
            return f"{match['text']}({PAGES[aim]}{match['anchor'] or ''})"
        return f"`{aim}`"  # a source file: named, as the site does not carry it

    return LINK.sub(mended, (ROOT / path).read_text(encoding="utf-8"))


def command_line(_: str) -> str:
    """Return the help of every command."""
    sys.path.insert(0, str(ROOT))
    pages = []
    for command in import_module("minisgd.cli").COMMANDS:
        told = subprocess.run(
            [sys.executable, "-m", "minisgd", command, "--help"],
            capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100"},
        )  # fmt: skip
        pages.append(f"## minisgd {command}\n\n```text\n{told.stdout.rstrip()}\n```\n")
    return "\n".join(pages)


def claims(names: str) -> str:
    """Return a section for every claim: the sentence, and what each committed run of the claims found."""
    runs = {}
    for name in names.split():
        rows = json.loads((ROOT / "docs" / "measured" / f"{name}.json").read_text(encoding="utf-8"))
        runs[name] = {row["id"]: row for row in rows}
    sections = []
    for number, claim in sorted(next(iter(runs.values())).items()):
        lines = [f"### {number}. {claim['claim']}\n", f"*Measured:* {claim['experiment']}\n"]
        lines += ["| data | verdict | effect | in words |", "|---|---|---|---|"]
        for data, run in runs.items():
            if number in run:
                row = run[number]
                lines.append(f"| {data} | {verdict(row)} | {effect(row)} | {row['words']} |")
        lines += ["", f"*What would change it:* {claim['would_change']}\n"]
        sections.append("\n".join(lines))
    return "\n".join(sections)


def verdict(row: dict[str, Any]) -> str:
    """Return the verdict of one run, with Holm's where it differs."""
    adjusted = row["verdict_holm"]
    return f"**{row['verdict']}**" + (f" ({adjusted} after Holm)" if adjusted != row["verdict"] else "")


def effect(row: dict[str, Any]) -> str:
    """Return the effect with its interval."""
    size = row.get("effect")
    if not size or size["value"] is None:
        return "–"
    return f"{size['name']}: {size['value']:.3g} ({size['interval']})"


FILL: dict[str, Callable[[str], str]] = {
    "public names": public_names,
    "file": file,
    "command line": command_line,
    "claims": claims,
}
