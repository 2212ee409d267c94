"""minisgd against the frameworks, each in a process of its own on the same cores.

python -m benchmarks.cpu.frameworks                                  everything, about twenty minutes
python -m benchmarks.cpu.frameworks --workload W1 --batch 32 --rivals torch,jax --cores 1
python -m benchmarks.cpu.frameworks --json benchmarks/results/NAME.json
python -m benchmarks.cpu.frameworks --memory                         peak resident sets of W1 and W3 at B = 512
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.cpu.rivals import Task, choose
from benchmarks.harness.machine import describe, provenance
from benchmarks.harness.processes import Failed
from benchmarks.harness.race import Pace, race
from benchmarks.harness.table import text
from benchmarks.harness.workloads import WORKLOADS, N

MEMORY_TASKS = ("W1", "W3")
MEMORY_BATCH = 512
QUICK_N = 600


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    pace = Pace.quick() if args.quick else Pace()
    if args.rounds:
        pace = replace(pace, rounds=args.rounds)
    entries = choose(args.rivals.split(",") if args.rivals else None)
    document: dict[str, Any] = {
        "benchmark": "frameworks",
        **provenance(),
        "rounds": pace.rounds,
        "window_seconds": pace.window,
        "quick": args.quick,
        "data": args.data,
        "results": [],
    }
    failures = 0
    for task in tasks(args):
        _note(f"{task.workload} B={task.batch_size} on {task.cores} core{'s' * (task.cores > 1)}")
        try:
            document["results"].append(race(entries, task, pace, _note))
        except Failed as problem:
            failures += 1
            _note(f"failed: {problem}")
            continue
        if args.json:  # after every race, so that an interruption loses nothing
            write(args.json, document)
    print(describe(document))
    print(f"median of {pace.rounds} or more windows of {pace.window} s, in turns; thousand examples a second\n")
    print(text(document["results"]))
    return 1 if failures else 0


def tasks(args: argparse.Namespace) -> list[Task]:
    """Return what the command line asks for."""
    names = args.workload.split(",") if args.workload else list(MEMORY_TASKS if args.memory else WORKLOADS)
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        raise SystemExit(f"--workload: expected some of {', '.join(WORKLOADS)}, got {', '.join(unknown)}")
    sizes = [int(size) for size in args.batch.split(",")] if args.batch else [MEMORY_BATCH] if args.memory else None
    n = QUICK_N if args.quick else N
    if sizes and (min(sizes) < 1 or max(sizes) > n):
        raise SystemExit(f"--batch: expected from 1 to N = {n}, got {args.batch}")
    found = []
    for workload in (WORKLOADS[name] for name in names):
        for b in sizes or [b for b in workload.batch_sizes if b <= n]:
            found.append(Task(workload.name, b, args.cores or workload.cores, args.data, n))
    return found


def write(path: Path, document: dict[str, Any]) -> None:
    """Write a result file, whole or not at all."""
    from minisgd.files import write_atomically

    write_atomically(path, (json.dumps(document, indent=1) + "\n").encode(), "--json")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.cpu.frameworks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workload", metavar="W,W", help=f"some of {', '.join(WORKLOADS)} (all)")
    parser.add_argument("--batch", metavar="B,B", help="batch sizes (the workload's)")
    parser.add_argument("--rivals", metavar="R,R", help="forms or families, such as torch,jax-scan (all)")
    parser.add_argument("--cores", type=int, metavar="C", help="cores and threads of every rival (1, but 2 for W5)")
    parser.add_argument("--data", default="digits", metavar="D", help="digits, or idx:DIR with 28×28 images (digits)")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"windows of each rival ({Pace().rounds})")
    parser.add_argument("--memory", action="store_true", help="W1 and W3 at B = 512 unless others are named")
    parser.add_argument("--quick", action="store_true", help="tiny: to see that it works, not how fast it is")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    return parser


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
