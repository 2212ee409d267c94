"""The default study of the digits, against the same training runs one after the other in PyTorch and scikit-learn.

python -m benchmarks.cpu.study [--data idx:DIR] [--cores 1] [--fraction 0.1 | --all] [--json FILE] [--quick]

minisgd runs its whole study: pilot, search, timing, fit and recommendation. The others are given its grid for free
and repeat its training runs: the same batch sizes, learning rates, seeds, numbers of steps and evaluations. By default
they repeat a random share of them, drawn within each batch size, and their total time is extrapolated by steps.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.cpu.frameworks import write
from benchmarks.cpu.sequential import TRAINERS, Data, Order, repeat
from benchmarks.harness.machine import describe, provenance
from benchmarks.harness.processes import ROOT, environment
from benchmarks.harness.worker import busy, pin

TARGETS = {"torch": 15.0, "sklearn": 5.0}
NAMES = {"torch": "PyTorch, one after the other", "sklearn": "scikit-learn, one after the other"}
DIGITS = "digits"

AT_LEAST = 2
"""Training runs repeated of each batch size, however small the share."""


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    if args.part:
        print(json.dumps(_part(args)))
        return 0
    share = 1.0 if args.all else args.fraction
    with tempfile.TemporaryDirectory() as folder:
        cells = Path(folder) / "a" / "cells.jsonl"
        ours = [_run(args, "minisgd", Path(folder) / "a")]
        orders = read_orders(cells)
        chosen = sample(orders, share)
        file = Path(folder) / "orders.json"
        file.write_text(json.dumps([asdict(order) for order in chosen]))
        rivals: dict[str, Any] = {}
        skipped = []
        for name in TRAINERS:
            if find_spec(name) is None:
                skipped.append({"rival": name, "reason": f"{name} is not installed"})
            else:
                rivals[name] = extrapolate(_run(args, name, file)["trainings"], orders)
        ours.append(_run(args, "minisgd", Path(folder) / "b"))
    seconds = float(np.mean([run["seconds"] for run in ours]))
    for name, rival in rivals.items():
        rival |= {"ratio": rival["seconds"] / seconds, "target": TARGETS[name]}
    document = {
        "benchmark": "study",
        **provenance(),
        "quick": args.quick,
        "data": "the digits" if args.data == DIGITS else f"{ours[0]['examples']:,} images",
        "cores": args.cores,
        "trainings": len(orders),
        "steps": sum(order.steps for order in orders),
        "share": share,
        "minisgd": {"seconds": seconds, "runs": ours, "val_accuracy": _middle(o.val_accuracy for o in chosen)},
        "rivals": rivals,
        "skipped": skipped,
    }
    _print(document)
    if args.json:
        write(args.json, document)
    return 0


# ---------------------------------------------------------------- which training runs


def read_orders(cells: Path) -> list[Order]:
    """Return the training runs that a study did, from its journal."""
    rows = [json.loads(line) for line in cells.read_text().splitlines()]
    every: dict[int, int] = defaultdict(int)
    for row in rows:
        # evaluations are at multiples of a number; the last one is wherever the training run ended
        for step, *_ in row["curve"][:-1]:
            every[row["batch_size"]] = math.gcd(every[row["batch_size"]], int(step))
    return [
        Order(
            row["batch_size"],
            row["lr"],
            row["seed"],
            row["steps"],
            every[row["batch_size"]] or row["steps"],
            row["val_accuracy"],
        )
        for row in rows
        if row["steps"] > 0
    ]


def sample(orders: Sequence[Order], share: float, seed: int = 0) -> list[Order]:
    """Draw a share of the training runs of each batch size."""
    rng = np.random.default_rng(seed)
    chosen = []
    for group in _by_batch_size(orders).values():
        count = min(len(group), max(AT_LEAST, math.ceil(share * len(group))))
        chosen += [group[k] for k in sorted(rng.permutation(len(group))[:count])]
    return chosen


def extrapolate(measured: Sequence[dict[str, Any]], orders: Sequence[Order]) -> dict[str, Any]:
    """Return the seconds of all training runs: at each batch size, seconds a step measured times the steps of all."""
    seconds, rows = 0.0, []
    for b, group in _by_batch_size(orders).items():
        mine = [m for m in measured if m["batch_size"] == b]
        taken, steps = sum(m["seconds"] for m in mine), sum(m["steps"] for m in mine)
        total = taken / steps * sum(order.steps for order in group)
        seconds += total
        rows.append(
            {"batch_size": b, "repeated": len(mine), "trainings": len(group), "us_step": 1e6 * taken / steps}
            | {"seconds": total}
        )
    return {
        "seconds": seconds,
        "measured_seconds": sum(m["seconds"] for m in measured),
        "repeated": len(measured),
        "extrapolated": len(measured) < len(orders),
        "val_accuracy": _middle(m["val_accuracy"] for m in measured),
        "batch_sizes": rows,
    }


def _by_batch_size(orders: Sequence[Order]) -> dict[int, list[Order]]:
    groups = defaultdict(list)
    for order in sorted(orders, key=lambda o: o.batch_size):
        groups[order.batch_size].append(order)
    return groups


def _middle(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


# ---------------------------------------------------------------- each part in a process of its own


def _run(args: argparse.Namespace, part: str, path: Path) -> dict[str, Any]:
    print(f"{part} …", file=sys.stderr, flush=True)
    command = [
        sys.executable,
        "-m",
        "benchmarks.cpu.study",
        "--part",
        part,
        "--path",
        str(path),
        "--cores",
        str(args.cores),
        "--data",
        args.data,
    ]
    done = subprocess.run(
        command + ["--quick"] * args.quick, cwd=ROOT, env=environment(args.cores), stdout=subprocess.PIPE, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _part(args: argparse.Namespace) -> dict[str, Any]:
    pin(args.cores)
    import minisgd as ms

    data = ms.load(args.data, validation=0.2, seed=0)
    if args.part == "minisgd":
        network = ms.model("mlp:64", data.input_shape, data.n_classes)
        quick = {"batch_sizes": [32, "full"], "learning_rates": [0.1, 0.3], "seeds": 1, "target_accuracy": 0.8}
        ms.study  # noqa: B018 - imported before the clock starts, as the others are
        start, others = perf_counter(), -busy()
        ms.study(network, data, optimizer=ms.SGD(lr=0.1, momentum=0.9), out=args.path, **(quick if args.quick else {}))
        seconds = perf_counter() - start
        return {"seconds": seconds, "busy_cores": (others + busy()) / seconds, "examples": len(data)}
    parts = [part for part in (data.train, data.validation) if part]
    splits = [(part.x.reshape(len(part.x), -1) * np.float32(data.scale), part.y) for part in parts]
    orders = [Order(**row) for row in json.loads(args.path.read_text())]
    training_runs = []
    for b, group in _by_batch_size(orders).items():
        arrays = Data(*splits[0], *splits[1])
        trainer = _fastest(args, arrays, Order(b, 1e-6, 0, 20, 20, None))
        training_runs += repeat(trainer, arrays, group)
    return {"trainings": training_runs}


def _fastest(args: argparse.Namespace, data: Data, short: Order) -> Any:
    """Return the trainer with one thread or one a core, whichever is faster at this batch size."""
    make, times = TRAINERS[args.part], {}
    for threads in sorted({1, args.cores}):
        repeat(make(threads), data, [short])
        times[threads] = repeat(make(threads), data, [short])[0]["seconds"]
    return make(min(times, key=lambda threads: times[threads]))


# ---------------------------------------------------------------- telling


def _print(document: dict[str, Any]) -> None:
    ours = document["minisgd"]["seconds"]
    cores = document["cores"]
    print(describe(document))
    print(
        f"{document['data']}: {document['trainings']} training runs, {document['steps']} steps in all, "
        f"{cores} core{'s' * (cores > 1)}\n"
    )
    print(f"{'minisgd, the whole study':<36}{ours:8.1f} s")
    for name, rival in document["rivals"].items():
        verdict = "met" if rival["ratio"] >= rival["target"] else "missed"
        line = (
            f"{NAMES[name]:<36}{rival['seconds']:8.1f} s{rival['ratio']:8.1f} ×, target {rival['target']:g}: {verdict}"
        )
        print(line)
        if rival["extrapolated"]:
            print(
                f"    EXTRAPOLATED from {rival['repeated']} of {document['trainings']} training runs, drawn at random\n"
                f"    within each batch size, {rival['measured_seconds']:.1f} s of them measured; --all repeats all"
            )
    accuracies = {"minisgd": document["minisgd"], **document["rivals"]}
    middles = [f"{name} {found['val_accuracy']:.3f}" for name, found in accuracies.items()]
    print(f"median validation accuracy at the end of the repeated training runs: {', '.join(middles)}")
    for skipped in document["skipped"]:
        print(f"{NAMES[skipped['rival']]:<36}skipped: {skipped['reason']}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.cpu.study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=DIGITS, metavar="idx:DIR", help="a folder of IDX files instead of the digits")
    parser.add_argument("--cores", type=int, default=1, metavar="C", help="cores of every rival (1)")
    parser.add_argument(
        "--fraction", type=float, default=0.1, metavar="F", help="share of training runs repeated (0.1)"
    )
    parser.add_argument("--all", action="store_true", help="repeat every training run: no extrapolation")
    parser.add_argument("--quick", action="store_true", help="a tiny study: to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
