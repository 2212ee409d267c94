"""Write the tables into benchmarks/README.md, between its markers, from the committed results.

python -m benchmarks.harness.readme
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cpu.rivals import LIMIT
from benchmarks.harness.machine import describe
from benchmarks.harness.table import thousands
from benchmarks.harness.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "benchmarks" / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"

COLUMNS = {
    LIMIT: "*products*",
    "torch-compile": "torch.compile",
    "jax": "JAX step",
    "jax-scan": "JAX scan",
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
    ours = [d for d in documents if isinstance(d, dict) and d.get("benchmark") in ("frameworks", "study")]
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
    study: dict[int, dict[str, Any]] = {}
    for document in documents:
        if document["benchmark"] == "study":
            study[document["cores"]] = document
        for race in document.get("results", []):
            latest[race["workload"], race["cores"], race["batch_size"]] = race, document
    order = {name: k for k, name in enumerate(WORKLOADS)}
    keys = sorted(latest, key=lambda key: (order[key[0]], *key[1:]))
    lines = []
    if keys:
        lines += ["Thousand training examples a second, medians of interleaved runs; the ratio is to PyTorch's", ""]
        lines[-2] += " best eager form. **Bold**: the fastest. *Products*: the matrix products of minisgd's step alone."
        titles = " | ".join(COLUMNS.values())
        lines += [f"| workload | cores | B | minisgd | PyTorch eager | ratio | {titles} |"]
        lines += ["|---|" + "---:|" * (5 + len(COLUMNS))]
        lines += [_row(key, latest[key][0]) for key in keys]
        lines += [""]
        lines += [f"{name}: {WORKLOADS[name].title}.  " for name in WORKLOADS if any(key[0] == name for key in keys)]
        lines += [""]
    for cores, document in sorted(study.items()):
        lines += [_study(cores, document), ""]
    sources = {describe(d): None for _, d in latest.values()} | {describe(d): None for d in study.values()}
    lines += [f"Measured on {source}.  " for source in sources]
    return "".join(f"{line}\n" for line in lines)


def _row(key: tuple[str, int, int], race: dict[str, Any]) -> str:
    workload, cores, b = key
    rivals = race["rivals"]
    fastest = max(rivals.keys() - {LIMIT}, key=lambda name: rivals[name]["rate"])

    def cell(name: str | None) -> str:
        if name not in rivals:
            return "–"
        shown = thousands(rivals[name]["rate"])
        return f"**{shown}**" if name == fastest else shown

    ratio = f"{race['ratios']['minisgd']:.2f}" if race["ratios"] else "–"
    cells = [workload, str(cores), str(b), cell("minisgd"), cell(race["reference"]), ratio, *map(cell, COLUMNS)]
    return f"| {' | '.join(cells)} |"


def _study(cores: int, document: dict[str, Any]) -> str:
    parts = []
    for name, rival in document["rivals"].items():
        how = " (extrapolated from a sample)" if rival["extrapolated"] else ""
        parts.append(
            f"{STUDY[name]} one after the other {rival['seconds']:.0f} s{how}, {rival['ratio']:.1f} times as long"
        )
    return (
        f"The default study of the digits, {document['trainings']} training runs on {cores} core{'s' * (cores > 1)}: "
        f"minisgd {document['minisgd']['seconds']:.1f} s; {'; '.join(parts)}."
    )


if __name__ == "__main__":
    sys.exit(main())
