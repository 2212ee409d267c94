"""Which optimizer gets to a fixed target soonest, at which batch size: in steps, in examples, and in seconds.

python -m benchmarks.cpu.algoperf [--data idx:DIR] [--cores 1] [--json FILE] [--quick]

A small AlgoPerf (Dahl et al. 2023, abstract: time to a fixed result). The digits, and with
--data so many as 10,000 images of a folder of IDX files. The rule: everything but the learning rate is as the
optimizer's paper sets it, and the learning rate is what ``ms.study`` finds at every batch size, of four a decade, on a
grid that is extended until the best is inside. Five seeds, the same for everyone; medians, and 95% intervals by
Student's t over seeds, of seconds over timing visits too. A seed that never got there makes the upper end infinite.
Every study has the same share of the time that is left; what that left out is said.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.harness.machine import describe, provenance
from benchmarks.harness.worker import pin

SECONDS = 600.0
"""Of all studies together; starting, timing and telling take about a minute more."""

IMAGES = 10_000

SIZES, QUICK_SIZES = (16, 64, 256, 1024), (64, 256)

TASKS = {"digits": ("mlp:64", 0.95), "images": ("mlp:128", 0.93)}
"""The model and the validation accuracy to reach."""

UNITS = ("steps", "examples", "seconds")


def optimizers() -> dict[str, Any]:
    """Return who takes part; learning rates are those from which the search begins."""
    import minisgd as ms

    return {
        "SGD": ms.SGD(lr=0.1),
        "SGD, momentum 0.9": ms.SGD(lr=0.1, momentum=0.9),
        "Adam": ms.Adam(lr=1e-3),
        "signSGD, momentum 0.9": ms.SignSGD(lr=1e-3, momentum=0.9),
        "Lion": ms.Lion(lr=1e-4),
        "Muon": ms.Muon(lr=1e-3),
        "schedule-free AdamW": ms.ScheduleFreeAdamW(lr=1e-3),
    }


def race(task: str, source: str, deadline: float, quick: bool) -> dict[str, Any]:
    """Return what every optimizer took at every batch size, and what was left open.  deadline: by perf_counter"""
    import minisgd as ms

    data = ms.load(source, validation=0.2, seed=0)
    if len(data) + len(data.validation or ()) > IMAGES:
        data = data.subset(IMAGES * 4 // 5, 0)
    name, accuracy = TASKS[task]
    accuracy = 0.8 if quick else accuracy
    model = ms.model(name, data.input_shape, data.n_outputs)
    contestants = dict(list(optimizers().items())[1:3]) if quick else optimizers()
    rows, left_open = list[dict[str, Any]](), dict[str, list[str]]()
    for k, (contestant, optimizer) in enumerate(contestants.items()):
        found = ms.study(
            model,
            data,
            optimizer=optimizer,
            batch_sizes=QUICK_SIZES if quick else SIZES,
            seeds=2 if quick else 5,
            target_accuracy=accuracy,
            budget=max(1.0, (deadline - perf_counter()) / (len(contestants) - k)),
        ).result
        left_open[contestant] = list(found.left_open)
        for b in found.batch_sizes:
            taken = {unit: _interval(getattr(b, f"{unit}_to_target")) for unit in UNITS}
            row = {"optimizer": contestant, "batch_size": b.batch_size, "lr": b.lr, "lr_on_edge": b.lr_on_edge}
            rows.append(row | {"reached": b.steps_to_target.reached} | taken)
    about = {"task": task, "model": name, "target": f"{accuracy:.0%} validation accuracy", "n_train": len(data)}
    return about | {"rows": rows, "left_open": left_open}


def _interval(median: Any) -> list[float | None]:
    """Return the median and both ends, None for what is infinite or unknown."""
    return [x if math.isfinite(x) else None for x in (median.median, median.low, median.high)]


def fewest(rows: list[dict[str, Any]], unit: str) -> set[tuple[str, int]]:
    """Return who needs the fewest, and all whose intervals reach below the upper end of theirs."""
    known = [row for row in rows if row[unit][0] is not None]
    if not known:
        return set()
    best = min(known, key=lambda row: row[unit][0])
    limit = best[unit][2] or math.inf
    return {(row["optimizer"], row["batch_size"]) for row in known if row is best or (row[unit][1] or 0.0) <= limit}


def tell(result: Mapping[str, Any]) -> None:
    """Print the table of a task; a star marks who needs fewest, and who cannot be told from it."""
    print(f"\n{result['task']}, {result['model']}, {result['n_train']} examples, to {result['target']}\n")
    rows = result["rows"]
    best = {unit: fewest(rows, unit) for unit in UNITS}
    print(f"{'optimizer':<24}{'B':>6}{'lr':>9}" + "".join(f"{unit:>34}" for unit in UNITS))
    for row in rows:
        cells = ""
        for unit in UNITS:
            star = "*" if (row["optimizer"], row["batch_size"]) in best[unit] else " "
            cells += f"{_cell(row[unit]) + star:>34}"
        edge = "<" if row["lr_on_edge"] else " "
        print(f"{row['optimizer']:<24}{row['batch_size']:>6}{row['lr']:>8.2g}{edge}{cells}")
    for contestant, texts in result["left_open"].items():
        for text in texts:
            print(f"{contestant}: {text}")


def _cell(taken: list[float | None]) -> str:
    median, low, high = taken
    if median is None:
        return "not reached"
    ends = "" if low is None else f" ({low:.3g} – {'∞' if high is None else f'{high:.3g}'})"
    return f"{median:.3g}{ends}"


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(args.cores)
    pin(args.cores)

    from benchmarks.cpu.frameworks import write

    document = {"benchmark": "algoperf", **provenance(), "quick": args.quick, "cores": args.cores}
    sources = {"digits": "digits"} | ({"images": args.data} if args.data else {})
    begun, seconds = perf_counter(), 20.0 if args.quick else SECONDS
    results = []
    for k, (task, source) in enumerate(sources.items(), 1):
        results.append(race(task, source, begun + seconds * k / len(sources), args.quick))
    print(describe(document))
    for result in results:
        tell(result)
    print("\n* fewest, or not told from it; < the best learning rate is on the edge of its grid")
    if args.json:
        write(args.json, document | {"results": results})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.cpu.algoperf", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="idx:DIR", help="a folder of IDX files, beside the digits")
    parser.add_argument("--cores", type=int, default=1, metavar="C", help="cores to train on (1)")
    parser.add_argument("--quick", action="store_true", help="two optimizers, two sizes: to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())
