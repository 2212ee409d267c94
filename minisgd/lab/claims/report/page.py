"""The page of the claims: contradictions side by side, then every claim with its verdict, interval and picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minisgd.lab import plots, words
from minisgd.lab.claims.claim import Effect
from minisgd.lab.claims.decision import HOLM, HOW, VERDICTS, Verdict
from minisgd.lab.claims.report.contradictions import CONTRADICTIONS
from minisgd.lab.page import Plot, View, write_page

if TYPE_CHECKING:
    from minisgd.lab.claims.run.result import Answer, Claims


def write_report(claims: Claims, folder: str | Path) -> Path:
    """Write claims.html, one file that holds all its pictures, and return its path.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
        OutputError: The folder cannot be written.
    """
    entries = [_entry(answer, claims.adjusted[answer.claim.number]) for answer in claims]
    context = {
        "how": HOW,
        "holm": HOLM,
        "claims": claims,
        "entries": entries,
        "contradictions": _contradictions(entries),
        "header": ("claim", "says", "by itself", "among all (Holm)", "effect"),
        "marks": {verdict: verdict.replace(" ", "-") for verdict in VERDICTS},
        "rows": [_row(entry) for entry in entries],
        "tally": [(verdict, sum(a.verdict == verdict for a in claims)) for verdict in VERDICTS],
    }
    return write_page(Path(folder) / "claims.html", "minisgd.lab.claims.report", **context)


def _contradictions(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what contradicts each other, as far as it was asked."""
    by_number = {entry["claim"].number: entry for entry in entries}
    found = []
    for it in CONTRADICTIONS:
        asked = [by_number[n] for n in it.numbers if n in by_number]
        if len(asked) == len(it.numbers):
            both = it.both([entry["finding"] for entry in asked])
            found.append({"title": it.title, "entries": asked, "both": both})
    return found


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    number, says = str(entry["claim"].number), entry["claim"].says
    verdict, adjusted, effect = entry["verdict"], entry["adjusted"], entry["finding"].effect
    care = "with care" if entry["finding"].cautions else ""
    value = f"{effect.value:.6g}" if math.isfinite(effect.value) else ""
    about = "; ".join(filter(None, (effect.name, effect.interval))) if value else ""
    cells = [(verdict, care, verdict), (adjusted, "", adjusted), (words.signed(effect.value), about, value)]
    return {"href": f"#claim-{number}", "cells": [(number, "", number), (says, "", says), *cells]}


def _entry(answer: Answer, adjusted: Verdict) -> dict[str, Any]:
    finding = answer.finding
    return {
        "claim": answer.claim,
        "finding": finding,
        "verdict": finding.verdict,
        "adjusted": adjusted,
        "effects": [_effect(effect) for effect in (finding.effect, *finding.more)],
        "sources": ", ".join(answer.claim.sources),
        "seconds": f"{answer.seconds:.3g}",
        "command": answer.command,
        "plot": _plot(answer),
    }


def _effect(effect: Effect) -> dict[str, str]:
    return {"name": effect.name, "value": words.signed(effect.value), "interval": effect.interval}


def _plot(answer: Answer) -> Plot | None:
    """Draw the evidence of a claim; None where there is none."""
    claim, finding = answer.claim, answer.finding
    if finding.draw is None:
        return None
    page, ax = plots.figure("", top=1 - 0.2 / plots.HEIGHT)  # the page has the title
    finding.draw(ax)
    return Plot(f"claim-{claim.number}-plot", claim.says, [View("", page, finding.words)], finding.cautions)
