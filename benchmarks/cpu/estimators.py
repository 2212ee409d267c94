"""Fit time of ``ms.MinisgdClassifier`` beside scikit-learn's ``MLPClassifier``: the same call, the same arguments.

python -m benchmarks.cpu.estimators [--json FILE] [--quick]

Both fit the same float32 data for the same epochs at every batch size of W1 and W2, on one core, in turns. What a fit
costs besides its steps is part of it: checking the data, recording the program, the loss curve. Times are those of the
process, which neighbours on the machine hardly change; the losses after the last epoch are shown beside them.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks.cpu.frameworks import write
from benchmarks.harness.machine import describe, provenance
from benchmarks.harness.worker import pin

UPDATES = 400
"""About so many updates a fit takes, in one epoch at least and ten at most."""


def measure(name: str, batch_size: int, turns: int, n: int) -> dict[str, Any]:
    """Return the median seconds of a fit of both, their quartiles, and their last losses."""
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    import minisgd as ms
    from benchmarks.harness.workloads import WORKLOADS, data

    workload = WORKLOADS[name]
    x, y = data(workload, n=n)
    x, y = x[: UPDATES * batch_size], y[: UPDATES * batch_size]
    options = {
        "hidden_layer_sizes": workload.widths[:-1],
        "solver": "sgd",
        "momentum": workload.momentum,
        "nesterovs_momentum": False,
        "learning_rate_init": workload.learning_rate(batch_size),
        "batch_size": batch_size,
        "max_iter": min(10, max(1, UPDATES * batch_size // n)),
        "tol": 0.0,
        "random_state": 0,
    }
    kinds = {"minisgd": ms.MinisgdClassifier, "scikit-learn": MLPClassifier}
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    losses = {}
    for turn in range(turns + 1):
        for kind in list(kinds)[:: 1 if turn % 2 else -1]:
            begun = process_time()
            model = kinds[kind](**options).fit(x, y)
            seconds[kind] += [process_time() - begun] if turn else []  # the first warms up
            losses[kind] = float(model.loss_)
    quartiles = {kind: np.percentile(each, [25, 50, 75]).tolist() for kind, each in seconds.items()}
    return {
        "workload": name,
        "batch_size": batch_size,
        "examples": len(x),
        "epochs": options["max_iter"],
        "seconds": quartiles,
        "loss": losses,
        "ratio": quartiles["scikit-learn"][1] / quartiles["minisgd"][1],
    }


def line(row: dict[str, Any]) -> str:
    """Return a measurement as a row of the table."""
    ours, theirs = row["seconds"]["minisgd"][1], row["seconds"]["scikit-learn"][1]
    what = f"{row['workload']}  {row['batch_size']:>5}  {row['examples']:>5} × {row['epochs']:<3}"
    losses = f"{row['loss']['minisgd']:.3f} / {row['loss']['scikit-learn']:.3f}"
    return f"{what}  {ours:9.3f}  {theirs:12.3f}  {row['ratio']:6.2f}  {losses}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the result file here")
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it works, not how fast it is")
    options = parser.parse_args(arguments)
    pin(1)
    from threadpoolctl import threadpool_limits

    from benchmarks.harness.workloads import WORKLOADS, N

    rows = []
    print("workload  B  examples × epochs  minisgd s  scikit-learn s  ratio  losses")
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # neither has converged when its epochs are over
        for name in ("W1", "W2"):
            for batch_size in WORKLOADS[name].batch_sizes:
                rows.append(measure(name, batch_size, 1 if options.quick else 7, 600 if options.quick else N))
                print(line(rows[-1]), flush=True)
    document = {"benchmark": "estimators", "quick": options.quick, **provenance(), "fits": rows}
    print(describe(document))
    if options.json:
        write(options.json, document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
