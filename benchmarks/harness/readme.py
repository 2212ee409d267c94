"""Write the tables into benchmarks/README.md, between its markers, from the committed results.

python -m benchmarks.harness.readme
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cpu.algoperf import fewest
from benchmarks.cpu.rivals import LIMITS
from benchmarks.harness.machine import describe
from benchmarks.harness.table import thousands
from benchmarks.harness.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "benchmarks" / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"

COLUMNS = {
    "products": "*products*",
    "hand": "*hand C*",
    "torch-compile": "torch.compile",
    "jax": "JAX step",
    "sklearn": "scikit-learn",
}
STUDY = {"torch": "PyTorch", "sklearn": "scikit-learn"}


def main() -> int:
    from minisgd.files import write_atomically

    before = README.read_text(encoding="utf-8")
    write_atomically(README, update(before, load(RESULTS)).encode(), "README")
    return 0


def load(folder: Path) -> list[dict[str, Any]]:
    """Return the result files of a folder, oldest first; quick ones show nothing and are left out."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    shown = ("frameworks", "study", "algoperf", "trackers")
    ours = [d for d in documents if isinstance(d, dict) and d.get("benchmark") in shown]
    known = [d for d in ours if not d.get("quick")]
    return sorted(known, key=lambda d: d["date"])


def update(readme: str, documents: Sequence[dict[str, Any]]) -> str:
    """Return the page with its tables made anew; everything outside the markers stays."""
    if BEGIN not in readme or END not in readme:
        raise SystemExit(f"benchmarks/README.md: expected the markers {BEGIN} and {END}, on lines of their own")
    head, _, rest = readme.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n{tables(documents)}{END}{tail}"


def tables(documents: Sequence[dict[str, Any]]) -> str:
    """Return the tables in Markdown: the latest measurement of every workload, batch size and number of cores."""
    latest: dict[tuple[str, int, int], tuple[dict[str, Any], dict[str, Any]]] = {}
    study: dict[tuple[str, int], dict[str, Any]] = {}
    others: dict[str, dict[str, Any]] = {}
    for document in documents:
        if document["benchmark"] == "study":
            study[document["data"], document["cores"]] = document
        elif document["benchmark"] != "frameworks":
            others[document["benchmark"]] = document
            continue
        for race in document.get("results", []):
            latest[race["workload"], race["cores"], race["batch_size"]] = race, document
    order = {name: k for k, name in enumerate(WORKLOADS)}
    keys = sorted(latest, key=lambda key: (order[key[0]], *key[1:]))
    lines = []
    if keys:
        lines += [
            "Thousand training examples a second, medians of interleaved runs; ratios are to PyTorch's best eager form "
            "and to JAX's scan. **Bold**: the fastest. *Products*: the matrix products of minisgd's step alone; "
            "*hand C*: a step written in C for this network alone, fused by hand.",
            "",
        ]
        titles = " | ".join(COLUMNS.values())
        lines += [f"| workload | cores | B | minisgd | PyTorch eager | ratio | JAX scan | ratio | {titles} |"]
        lines += ["|---|" + "---:|" * (7 + len(COLUMNS))]
        lines += [_row(key, latest[key][0]) for key in keys]
        lines += [""]
        lines += [f"{name}: {WORKLOADS[name].title}.  " for name in WORKLOADS if any(key[0] == name for key in keys)]
        lines += [""]
    lines += [
        line for key in sorted(study, key=lambda k: (k[0] != "the digits", *k)) for line in (_study(study[key]), "")
    ]
    lines += _optimizers(others["algoperf"]) if "algoperf" in others else []
    lines += _trackers(others["trackers"]) if "trackers" in others else []
    shown = [*(d for _, d in latest.values()), *study.values(), *others.values()]
    sources = dict.fromkeys(map(describe, shown))
    lines += [f"Measured on {source}.  " for source in sources]
    return "".join(f"{line}\n" for line in lines)


def _row(key: tuple[str, int, int], race: dict[str, Any]) -> str:
    workload, cores, b = key
    rivals = race["rivals"]
    fastest = max(rivals.keys() - set(LIMITS), key=lambda name: rivals[name]["rate"])

    def cell(name: str | None) -> str:
        if name not in rivals:
            return "–"
        shown = thousands(rivals[name]["rate"])
        return f"**{shown}**" if name == fastest else shown

    def ratio(name: str | None) -> str:
        return f"{rivals['minisgd']['rate'] / rivals[name]['rate']:.2f}" if name in rivals else "–"

    peers = [text for name in (race["reference"], "jax-scan") for text in (cell(name), ratio(name))]
    cells = [workload, str(cores), str(b), cell("minisgd"), *peers, *map(cell, COLUMNS)]
    return f"| {' | '.join(cells)} |"


def _study(document: dict[str, Any]) -> str:
    parts, cores = [], document["cores"]
    for name, rival in document["rivals"].items():
        how = " (extrapolated from a sample)" if rival["extrapolated"] else ""
        parts.append(
            f"{STUDY[name]} one after the other {rival['seconds']:.0f} s{how}, {rival['ratio']:.1f} times as long"
        )
    return (
        f"The default study of {document['data']}, {document['trainings']} training runs on {cores} "
        f"core{'s' * (cores > 1)}: "
        f"minisgd {document['minisgd']['seconds']:.1f} s; {'; '.join(parts)}."
    )


def _optimizers(document: dict[str, Any]) -> list[str]:
    """Return a table for every task: what each optimizer took to the target, by batch size."""
    lines = []
    for result in document["results"]:
        rows = {(row["optimizer"], row["batch_size"]): row for row in result["rows"]}
        best = {unit: fewest(result["rows"], unit) for unit in ("steps", "seconds")}
        sizes = sorted({size for _, size in rows})
        lines += [
            f"Steps (95% interval) and milliseconds on one core to {result['target']}: {result['task']}, "
            f"{result['model']}, {result['n_train']:,} examples. **Bold**: the fewest, or not told from them.",
            "",
            f"| optimizer | {' | '.join(f'B = {size}' for size in sizes)} |",
            "|---|" + "---:|" * len(sizes),
        ]
        for optimizer in dict.fromkeys(name for name, _ in rows):
            cells = (_taken(rows.get((optimizer, size)), best) for size in sizes)
            lines += [f"| {optimizer} | {' | '.join(cells)} |"]
        lines += [""]
    return lines


def _taken(row: dict[str, Any] | None, best: dict[str, set[tuple[str, int]]]) -> str:
    """Write steps with their interval, and milliseconds."""
    if row is None:
        return "no time left"
    steps, low, high = row["steps"]
    if steps is None:
        return "not reached"
    key = row["optimizer"], row["batch_size"]
    ms = 1e3 * row["seconds"][0]
    texts = {"steps": f"{steps:.0f}", "seconds": f"{ms:.0f}" if ms >= 99.5 else f"{ms:.2g}"}
    steps, seconds = (f"**{text}**" if key in best[unit] else text for unit, text in texts.items())
    interval = "" if low is None else f" ({low:.0f}–{'∞' if high is None else f'{high:.0f}'})"
    return f"{steps}{interval}, {seconds} ms"


def _trackers(document: dict[str, Any]) -> list[str]:
    """Return the table of what callbacks that watch the gradient noise cost."""
    lines = [
        "What a callback adds to a training step by its defaults, on one core, with its 95% interval.",
        "",
        "| network | B | callback | added |",
        "|---|---:|---|---:|",
    ]
    for row in document["results"]:
        added, low, high = (100 * row[key] for key in ("added", "low", "high"))
        cells = (row["network"], row["batch_size"], row["callback"], f"{added:.1f}% ({low:.1f} – {high:.1f})")
        lines += [f"| {' | '.join(map(str, cells))} |"]
    return [*lines, ""]


if __name__ == "__main__":
    sys.exit(main())
