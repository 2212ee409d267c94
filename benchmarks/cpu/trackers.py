"""What callbacks that watch the gradient noise cost, as a share of the training run without them.

python -m benchmarks.cpu.trackers [--json FILE] [--quick]

The time that samples take in a training run on one core is divided by that of the steps between them. Printed are the
mean of several runs, its 95% interval by Student's t, and what a sample takes.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.harness.machine import describe, provenance
from benchmarks.harness.worker import pin

RUNS, SECONDS, FEW = 5, 1.0, 500
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


def measure(network: Any, batch_size: int, tracker: type, runs: int, seconds: float) -> dict[str, Any]:
    """Return what a tracker adds by its defaults: the share of a step with its interval, and seconds of a sample."""
    import numpy as np

    import minisgd as ms
    from minisgd.lab.statistics import mean_interval

    class Timed(tracker):  # type: ignore[misc]
        """The tracker, with the time that its samples take."""

        def on_start(self, training: Any) -> None:
            super().on_start(training)
            self.spent: list[float] = []

        def on_gradient(self, training: Any, index: Any, gradient: Any) -> None:
            begun = perf_counter()
            super().on_gradient(training, index, gradient)
            if training.session.steps % self.every == 0:
                self.spent.append(perf_counter() - begun)

    data = ms.datasets.digits(validation=None)
    settings = {"optimizer": ms.Adam(0.001), "batch_size": batch_size, "last_batch": "drop"}
    few = ms.train(network, data, steps=FEW, **settings)
    steps = max(FEW, round(FEW * seconds / few.train_seconds))
    added, samples = [], []
    for _ in range(runs):
        callback = Timed()
        run = ms.train(network, data, steps=steps, callbacks=[callback], **settings)
        sample = float(np.mean(callback.spent[1:]))  # the first prepares the others
        step = (run.train_seconds - sum(callback.spent)) / steps
        added.append(sample / callback.every / step)
        samples.append(sample)
    low, high = mean_interval(np.array(added))
    found = {"added": float(np.mean(added)), "low": low, "high": high, "all": added}
    return {"steps": steps, "every": callback.every, **found, "seconds_of_a_sample": float(np.median(samples))}


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    pin(1)

    import minisgd as ms
    from benchmarks.cpu.frameworks import write

    document = {"benchmark": "trackers", **provenance(), "quick": args.quick, "cores": 1}
    runs, seconds = (3, 0.02) if args.quick else (RUNS, SECONDS)
    rows = []
    print(describe(document))
    print(f"\n{'network':<40}{'B':>5}  {'callback':<20}{'added to a step':>24}{'a sample':>15}")
    for name, network in networks().items():
        for b in BATCH_SIZES:
            for tracker in (ms.NormalisationNoise, ms.NoiseTracker):
                found = measure(network, b, tracker, runs, seconds)
                rows.append({"network": name, "batch_size": b, "callback": tracker.__name__, **found})
                added, low, high = (100 * found[key] for key in ("added", "low", "high"))
                figures = f"{added:.1f}% ({low:.1f} – {high:.1f})"
                sample = f"{1e6 * found['seconds_of_a_sample']:.0f} µs"
                print(f"{name:<40}{b:>5}  {tracker.__name__:<20}{figures:>24}{sample:>15}", flush=True)
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
