"""What callbacks that watch the gradient noise cost, as a share of the training run without them.

python -m benchmarks.cpu.trackers [--json FILE] [--quick]

Training runs with and without a callback take turns on one core; each pair gives a ratio of processor times. Printed
are the mean of the ratios and its 95% interval by Student's t.
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

PAIRS, SECONDS = 15, 0.6
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
    """Return the share of time that a tracker adds by its defaults: mean, ends of the interval, all pairs."""
    import numpy as np

    import minisgd as ms
    from minisgd.lab.statistics import mean_interval

    data = ms.datasets.digits(validation=None)

    def spent(steps: int, callbacks: list[Any]) -> float:
        begun = process_time()
        ms.train(network, data, batch_size=batch_size, steps=steps, last_batch="drop", callbacks=callbacks)
        return process_time() - begun

    spent(200, [tracker()])
    few = spent(400, [])
    steps = max(1000, round(400 * seconds / few))
    added = []
    for turn in range(pairs):
        order = ([], [tracker()]) if turn % 2 == 0 else ([tracker()], [])
        times = {len(callbacks): spent(steps, callbacks) for callbacks in order}
        added.append(times[1] / times[0] - 1)
    low, high = mean_interval(np.array(added))
    return {"steps": steps, "added": float(np.mean(added)), "low": low, "high": high, "all": added}


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
    print(f"\n{'network':<40}{'B':>5}  {'callback':<20}{'added to the time of a training run':>40}")
    for name, network in networks().items():
        for b in BATCH_SIZES:
            for tracker in (ms.NormalisationNoise, ms.NoiseTracker):
                found = measure(network, b, tracker, pairs, seconds)
                rows.append({"network": name, "batch_size": b, "callback": tracker.__name__, **found})
                added, low, high = (100 * found[key] for key in ("added", "low", "high"))
                figures = f"{added:.1f}% ({low:.1f} – {high:.1f})"
                print(f"{name:<40}{b:>5}  {tracker.__name__:<20}{figures:>40}", flush=True)
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
