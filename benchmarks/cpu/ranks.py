"""Data-parallel training on two cores: two ranks against one process, and against PyTorch's DDP with gloo.

python -m benchmarks.cpu.ranks [--json FILE] [--quick]

All train the same perceptron (784, 256, 128, 10) from the same weights on the same batches, in turns, a process or a
pair of processes each, and must end with weights of the same norm. Times are by the clock, so this needs a quiet
machine. A rank has one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.cpu.frameworks import write
from benchmarks.harness.machine import describe, provenance
from tests.training.distributed.broken import mpiexec

WIDTHS, CLASSES, LR, MOMENTUM = (784, 256, 128), 10, 0.05, 0.9
BATCH_SIZES = (64, 512, 4096)
CONTENDERS = {
    "1 process, 1 thread": (1, "plain", 1),
    "1 process, 2 threads": (1, "plain", 2),
    "2 ranks, 2 shards": (2, "ranks", 2),
    "2 ranks, 8 shards": (2, "ranks", 8),
    "PyTorch DDP, 2 ranks": (2, "ddp", 1),
}
"""Processes, what each does, and its threads or all shards."""
TOLERANCE = 1e-3


def example_data(n: int) -> tuple[Any, Any]:
    """Return images and labels of which something can be learned."""
    import numpy as np

    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, n)
    x = rng.standard_normal((n, WIDTHS[0])) + 2 * rng.standard_normal((CLASSES, WIDTHS[0]))[y] / WIDTHS[0] ** 0.5
    return x.astype(np.float32), y


def train_ours(kind: str, setting: int, batch_size: int, steps: int) -> dict[str, float] | None:
    """Train with minisgd; return the seconds of a step and the norm of the weights, on rank 0."""
    import minisgd as ms

    ranks = ms.distributed.mpi(shards=setting) if kind == "ranks" else None
    run = ms.train(
        network(),
        ms.Dataset.from_arrays(*example_data(4 * batch_size), validation=None),
        optimizer=ms.SGD(lr=LR, momentum=MOMENTUM),
        batch_size=batch_size,
        steps=steps,
        sampling="sequential",
        evaluate_every=1e9,
        threads=setting if kind == "plain" else None,
        communicator=ranks,
        progress=False,
    )
    found = {"seconds": run.train_seconds / steps, "norm": float((run.network.vector.astype("f8") ** 2).sum() ** 0.5)}
    return found if ranks is None or ranks.rank == 0 else None


def network() -> Any:
    """Return the perceptron."""
    import minisgd as ms

    hidden = [layer for width in WIDTHS[1:] for layer in (ms.Linear(width), ms.ReLU())]
    return ms.Network(*hidden, ms.Linear(CLASSES))


def train_ddp(batch_size: int, steps: int) -> dict[str, float] | None:
    """Train the same with PyTorch, from the same weights."""
    import torch
    from torch import distributed, nn

    rank, size = int(os.environ["PMI_RANK"]), int(os.environ["PMI_SIZE"])
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": os.environ["RANKS_PORT"]}
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", rank=rank, world_size=size)
    ours = network().build((WIDTHS[0],), seeds=0, dtype="float32")
    layers: list[Any] = []
    for fan_in, fan_out in zip(WIDTHS, (*WIDTHS[1:], CLASSES), strict=True):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for mine, theirs in zip(ours.parameters().values(), model.parameters(), strict=True):
            theirs.copy_(torch.tensor(mine.T.copy() if mine.ndim == 2 else mine))
    parallel = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    x, y = map(torch.as_tensor, example_data(4 * batch_size))
    share = batch_size // size
    begun = 0.0
    for step in range(steps):
        first = step % 4 * batch_size + rank * share
        optimizer.zero_grad()
        nn.functional.cross_entropy(parallel(x[first : first + share]), y[first : first + share]).backward()
        optimizer.step()
        begun = begun or perf_counter()
    seconds = (perf_counter() - begun) / (steps - 1)
    norm = float(sum((p.detach().double() ** 2).sum() for p in model.parameters()) ** 0.5)
    distributed.destroy_process_group()
    return {"seconds": seconds, "norm": norm} if rank == 0 else None


def measure(name: str, batch_size: int, steps: int, turn: int) -> dict[str, float]:
    """Return what a contender says of its training."""
    processes = CONTENDERS[name][0]
    start = [mpiexec() or "mpiexec", "-n", str(processes)] if processes > 1 else []
    command = [*start, sys.executable, "-m", __spec__.name, "--contender", name, str(batch_size), str(steps)]
    port = {"RANKS_PORT": str(29500 + turn), "OPENBLAS_NUM_THREADS": str(CONTENDERS[name][2])}
    found = subprocess.run(command, env=os.environ | port, capture_output=True, text=True, check=True)
    said: dict[str, float] = json.loads(found.stdout.strip().splitlines()[-1])
    return said


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the result file here")
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it works, not how fast it is")
    parser.add_argument("--contender", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.contender:
        name, batch_size, steps = options.contender
        _, kind, setting = CONTENDERS[name]
        how = (int(batch_size), int(steps))
        found = train_ddp(*how) if kind == "ddp" else train_ours(kind, setting, *how)
        if found is not None:
            print(json.dumps(found))
        return 0
    rows = []
    for batch_size in BATCH_SIZES[:1] if options.quick else BATCH_SIZES:
        steps = 20 if options.quick else max(60, 40_000 // batch_size)
        said: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
        for turn in range(1 if options.quick else 5):
            for k, name in enumerate(list(CONTENDERS)[:: 1 if turn % 2 else -1]):
                said[name].append(measure(name, batch_size, steps, 10 * turn + k))
        alone = said["1 process, 1 thread"][0]["norm"]
        for name, turns in said.items():
            assert abs(turns[0]["norm"] / alone - 1) < TOLERANCE, f"{name} trains something else"
            seconds = median(each["seconds"] for each in turns)
            rows.append({"batch_size": batch_size, "contender": name, "seconds": seconds, "turns": turns})
            print(f"B = {batch_size:>5}  {name:<22}{1e3 * seconds:9.3f} ms a step", flush=True)
    document = {"benchmark": "ranks", "quick": options.quick, **provenance(), "steps": rows}
    print(describe(document))
    if options.json:
        write(options.json, document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
