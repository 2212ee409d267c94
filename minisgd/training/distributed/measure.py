"""How long two ranks take to add up vectors: ``mpiexec -n 2 python -m minisgd.training.distributed.measure``.

Rank 0 prints, as JSON, the median seconds of the two exchanges of a step by the bytes of the vector, and which share of
the processor each rank had at least.
"""

from __future__ import annotations

import json
from time import perf_counter, process_time

import numpy as np

from minisgd.training.distributed.communicator import Communicator
from minisgd.training.distributed.mpi import mpi

SIZES = (64, 4096, 65536, 1048576)
"""Numbers of float32."""
TIMES = 40


def measure(ranks: Communicator, numbers: int) -> float:
    """Return the median seconds of an all-to-all and an all-gather of a vector."""
    vector = np.zeros((ranks.size, numbers // ranks.size), np.float32)
    received, taken = np.empty_like(vector), []
    for _ in range(TIMES):
        begun = perf_counter()
        ranks.all_to_all(vector, out=received)
        ranks.all_gather(received[0], out=vector)
        taken.append(perf_counter() - begun)
    return float(np.median(taken))


def main() -> None:
    """Measure, and print."""
    ranks, begun, worked = mpi(), perf_counter(), process_time()
    seconds = {4 * numbers: measure(ranks, numbers) for numbers in SIZES}
    shares = ranks.gather(np.array([(process_time() - worked) / (perf_counter() - begun)]))
    if ranks.rank == 0:
        print(json.dumps({"seconds": seconds, "cpu_share": min(1.0, float(shares.min()))}))


if __name__ == "__main__":
    main()
