"""What the documentation takes from elsewhere in the repository, so that nothing is written down twice.

A page says what it wants in a comment of its own line:

    <!-- public names: minisgd.nn -->          an entry of the reference for each name in ``minisgd.nn.__all__``
    <!-- file: benchmarks/README.md -->        that file, its links mended for the site
    <!-- command line -->                      what ``minisgd COMMAND --help`` prints, for every command
    <!-- claims: digits images -->             the claims as measured: docs/measured/digits.json, …, of those there are
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import tomllib
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


Runs = dict[str, dict[int, dict[str, Any]]]
"""Entries of claims.json by number, by the name of the run."""


def claims(names: str) -> str:
    """Return what the committed runs of the claims found, side by side: of docs/measured/NAME.json those there are."""
    sys.path.insert(0, str(ROOT))
    files = {name: ROOT / "docs" / "measured" / f"{name}.json" for name in names.split()}
    runs = {
        name: {row["id"]: row for row in json.loads(path.read_text("utf-8"))}
        for name, path in files.items()
        if path.exists()
    }
    literature = tomllib.loads((ROOT / "docs" / "literature.toml").read_text("utf-8"))
    sections = [_settings(runs), _differences(runs), _contradictions(runs), "## Claim by claim\n"]
    return "\n".join([*sections, *(_claim(int(number), runs, text) for number, text in literature.items())])


def _table(runs: Runs, rows: dict[str, list[str]]) -> str:
    """Return a table with a column for each run."""
    cells = [["", *runs], ["---"] * (1 + len(runs)), *([name, *texts] for name, texts in rows.items())]
    return "".join(f"| {' | '.join(text.replace('|', '&#124;') for text in row)} |\n" for row in cells)


def _settings(runs: Runs) -> str:
    """Say with which command, on what and on which machine each run was made."""
    first = [next(iter(run.values())) for run in runs.values()]
    commands = [f"`{re.sub(' --only.*', '', row['command'])}`" for row in first]
    settings = [row.get("setting", {}) for row in first]
    rows = {
        name: [str(setting.get(name, "–")) for setting in settings]
        for name in dict.fromkeys(sum(map(list, settings), []))
    }
    return _table(runs, {"command": commands, **rows})


def _differences(runs: Runs) -> str:
    """Name the claims of which the runs say different things, and those that one of them leaves open."""
    if len(runs) < 2:
        return ""
    contrary, left_open = [], []
    for n in sorted({number for run in runs.values() for number in run}):
        said = {name: run[n]["verdict"] for name, run in runs.items() if n in run}
        if len(set(said.values())) > 1:
            told = ", ".join(f"{verdict} on {name}" for name, verdict in said.items())
            (left_open if "not decided" in said.values() else contrary).append(f"- **{n}** {_says(n)} {told}.\n")
    return "\n".join([
        "## Where they differ\n", "".join(contrary) or "Where both decide, they agree.\n",
        *(["Left open by one of them:\n", "".join(left_open)] if left_open else []),
    ])  # fmt: skip


def _contradictions(runs: Runs) -> str:
    """Resolve what the articles contradict each other about, by the effects of each run."""
    from minisgd.lab.claims.report.contradictions import CONTRADICTIONS

    sections = ["## Contradictions, resolved\n"]
    for each in CONTRADICTIONS:
        sentences = [f"- **{n}** {_says(n)}\n" for n in each.numbers]
        resolved = [
            f"**{name}**: {each.both([_finding(run[n]) for n in each.numbers])}\n"
            for name, run in runs.items()
            if run.keys() >= set(each.numbers)
        ]
        sections += [f"### {each.title}\n", "".join(sentences), *resolved]
    return "\n".join(sections)


def _finding(row: dict[str, Any]) -> Any:
    """Return the finding of an entry; what is not finite stands there as null."""
    from minisgd.lab.claims.claim import Effect, Finding

    effect, *more = (
        Effect(each["name"], *(math.nan if each[end] is None else each[end] for end in ("value", "low", "high")))
        for each in (row["effect"], *row["more"])
    )
    return Finding(row["verdict"], effect, row["n"], row["words"], more=tuple(more))


def _says(number: int) -> str:
    from minisgd.lab.claims.sentences.table import CLAIMS

    return CLAIMS[number].says


def _claim(number: int, runs: Runs, literature: str) -> str:
    """Return the section of a claim: the sentence, what each run found, what the literature says."""
    from minisgd.lab.claims.sentences.table import CLAIMS

    claim = CLAIMS[number]
    found = {name: run[number] for name, run in runs.items() if number in run}
    rows = {
        "verdict": [_verdict(row) for row in found.values()],
        "effect": [_effect(row["effect"]) for row in found.values()],
        "found": [row["words"] for row in found.values()],
    }
    if any(row["cautions"] for row in found.values()):
        rows["with care"] = [" ".join(row["cautions"]) or "–" for row in found.values()]
    asked = f"Not in these runs: `minisgd claims --data digits --only {number}`.\n"
    return "\n".join([
        f"### {number}. {claim.says}\n",
        f"*Experiment:* {claim.experiment}\n",
        _table({name: runs[name] for name in found}, rows) if found else asked,
        f"*Literature:* {literature}\n",
        f"*What would change it:* {claim.would_change}\n",
    ])  # fmt: skip


def _verdict(row: dict[str, Any]) -> str:
    """Return the verdict of one run, with Holm's where it differs."""
    adjusted = row["verdict_holm"]
    return f"**{row['verdict']}**" + (f" ({adjusted} after Holm)" if adjusted != row["verdict"] else "")


def _effect(effect: dict[str, Any]) -> str:
    """Return an effect with its interval, in the digits of the report."""
    from minisgd.lab import words

    if effect["value"] is None:
        return "–"
    interval = f" ({effect['interval']})" if effect["interval"] else ""
    return f"{effect['name']}: {words.signed(effect['value'])}{interval}"


FILL: dict[str, Callable[[str], str]] = {
    "public names": public_names,
    "file": file,
    "command line": command_line,
    "claims": claims,
}
