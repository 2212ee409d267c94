"""What share of a step two ranks on two cores take to add up their gradients: what overlapping it could save at most.

python -m benchmarks.cpu.all_reduce [--json FILE] [--quick]

For three networks and two batch sizes, the median seconds of a step, and of its exchanges on the rank that waits least.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.cpu.frameworks import write
from benchmarks.harness.machine import describe, provenance
from tests.training.distributed.broken import mpiexec

NETWORKS = {"mlp:256,128": (784,), "mlp:1024,1024": (784,), "cnn": (28, 28, 1)}
BATCH_SIZES, SHARDS = (64, 512), (2, 8)


def train(name: str, batch_size: int, shards: int, steps: int) -> dict[str, float] | None:
    """Train on two ranks; return the seconds of a step and of its exchanges, on rank 0."""
    import numpy as np

    import minisgd as ms
    from minisgd.nn.models import model

    ranks, rng = ms.distributed.mpi(shards=shards), np.random.default_rng(0)
    log: list[tuple[float, float, bool]] = []  # begin and seconds of an exchange, and whether it is the first of a step

    def timed(method: Any, first: bool) -> Any:
        def call(send: Any, *, out: Any) -> None:
            begun = perf_counter()
            method(send, out=out)
            log.append((begun, perf_counter() - begun, first))

        return call

    ranks.all_to_all, ranks.all_gather = timed(ranks.all_to_all, True), timed(ranks.all_gather, False)  # type: ignore[method-assign]
    shape = NETWORKS[name]
    x, y = rng.standard_normal((4 * batch_size, *shape)).astype(np.float32), rng.integers(0, 10, 4 * batch_size)
    run = ms.train(
        model(name, shape, 10), ms.Dataset.from_arrays(x, y, validation=None), optimizer=ms.SGD(lr=0.01, momentum=0.9),
        batch_size=batch_size, steps=steps, evaluate_every=1e9, communicator=ranks, progress=False,
    )  # fmt: skip
    begins = [k for k, (_, _, first) in enumerate(log) if first]
    parts = [log[a:b] for a, b in zip(begins, begins[1:], strict=False)]
    whole = median(later[0][0] - now[0][0] for now, later in zip(parts, parts[1:], strict=False))
    own = median(sum(seconds for _, seconds, _ in part) for part in parts)
    least = float(ranks.gather(np.array([own])).min())
    found = {"step": whole, "exchange": least, "gradient_bytes": run.network.vector.nbytes}
    return found if ranks.rank == 0 else None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the result file here")
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it works, not how fast it is")
    parser.add_argument("--train", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.train:
        name, *numbers = options.train
        said = train(name, *map(int, numbers))
        if said is not None:
            print(json.dumps(said))
        return 0
    rows = []
    for name in list(NETWORKS)[:1] if options.quick else NETWORKS:
        for batch_size in BATCH_SIZES[:1] if options.quick else BATCH_SIZES:
            for shards in SHARDS:
                steps = 10 if options.quick else 60
                what = [name, *map(str, (batch_size, shards, steps))]
                command = [mpiexec() or "mpiexec", "-n", "2", sys.executable, "-m", __spec__.name, "--train", *what]
                said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
                rows.append({"network": name, "batch_size": batch_size, "shards": shards, **said})
                step, exchange = said["step"], said["exchange"]
                print(
                    f"{name:<14} B = {batch_size:>4}, {shards} shards: {1e3 * step:8.3f} ms a step, "
                    f"{1e3 * exchange:.3f} of them ({exchange / step:.0%}) for {said['gradient_bytes']:,} bytes",
                    flush=True,
                )
    document = {"benchmark": "all_reduce", "quick": options.quick, **provenance(), "steps": rows}
    print(describe(document))
    if options.json:
        write(options.json, document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
