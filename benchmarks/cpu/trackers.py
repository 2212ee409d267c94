"""What callbacks that watch the gradient noise cost, as a share of the training run without them.

python -m benchmarks.cpu.trackers [--json FILE] [--quick]

Training runs with and without a callback take turns on one core, short and long ones; what the long ones take more is
steps without the cost of starting, and each pair gives a ratio of these processor times. Printed are the mean of the
ratios, its 95% interval by Student's t, and what the callback adds to the start.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks.harness.machine import describe, provenance
from benchmarks.harness.worker import pin

PAIRS, SECONDS, FEW = 7, 1.2, 500
BATCH_SIZES = (32, 128)


def networks() -> dict[str, Any]:
    """Return networks with normalisation layers, for the 8×8 images of the digits."""
    import minisgd as ms

    def mlp(norm: type[ms.Layer]) -> ms.Network:
        return ms.Network(ms.Linear(128), norm(), ms.ReLU(), ms.Linear(128), norm(), ms.ReLU(), ms.Linear(10))

    return {
        "MLP 64-128-128-10, batch norm": mlp(ms.BatchNorm),
        "MLP 64-128-128-10, layer norm": mlp(ms.LayerNorm),
        "transformer block, 8 positions of 32": ms.Network(
            ms.Reshape(8, 8), ms.Linear(32), ms.TransformerBlock(32, 4), ms.Flatten(), ms.Linear(10)
        ),
    }


def measure(network: Any, batch_size: int, tracker: type, pairs: int, seconds: float) -> dict[str, Any]:
    """Return what a tracker adds by its defaults: the share of a step with its interval, and seconds at the start."""
    import numpy as np

    import minisgd as ms
    from minisgd.lab.statistics import mean_interval

    data = ms.datasets.digits(validation=None)
    settings = {"optimizer": ms.Adam(0.001), "batch_size": batch_size, "last_batch": "drop"}

    def spent(steps: int, callbacks: list[Any]) -> float:
        begun = process_time()
        ms.train(network, data, steps=steps, callbacks=callbacks, **settings)
        return process_time() - begun

    spent(FEW, [tracker()])
    steps = FEW + max(FEW, round(FEW * seconds / spent(FEW, [])))
    added, first = [], []
    for turn in range(pairs):
        of_few, of_all = {}, {}
        for watched in (False, True) if turn % 2 == 0 else (True, False):
            of_few[watched] = spent(FEW, [tracker()] if watched else [])
            of_all[watched] = spent(steps, [tracker()] if watched else [])
        added.append((of_all[True] - of_few[True]) / (of_all[False] - of_few[False]) - 1)
        first.append(of_few[True] - of_few[False])
    low, high = mean_interval(np.array(added))
    found = {"added": float(np.mean(added)), "low": low, "high": high, "all": added}
    return {"steps": steps, **found, "seconds_at_first": float(np.median(first))}


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    pin(1)

    import minisgd as ms
    from benchmarks.cpu.frameworks import write

    document = {"benchmark": "trackers", **provenance(), "quick": args.quick, "cores": 1}
    pairs, seconds = (3, 0.02) if args.quick else (PAIRS, SECONDS)
    rows = []
    print(describe(document))
    print(f"\n{'network':<40}{'B':>5}  {'callback':<20}{'added to a step':>24}{'at the start':>15}")
    for name, network in networks().items():
        for b in BATCH_SIZES:
            for tracker in (ms.NormalisationNoise, ms.NoiseTracker):
                found = measure(network, b, tracker, pairs, seconds)
                rows.append({"network": name, "batch_size": b, "callback": tracker.__name__, **found})
                added, low, high = (100 * found[key] for key in ("added", "low", "high"))
                figures = f"{added:.1f}% ({low:.1f} – {high:.1f})"
                start = f"{1e3 * found['seconds_at_first']:.0f} ms"
                print(f"{name:<40}{b:>5}  {tracker.__name__:<20}{figures:>24}{start:>15}", flush=True)
    if args.json:
        write(args.json, document | {"results": rows})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.cpu.trackers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="tiny: to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())
