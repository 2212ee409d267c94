"""Kill a training run at random moments, again and again: ``python -m tests.training.killed FOLDER KILLS``.

A process that has imported everything forks a child for every try; the child goes on from the last checkpoint and keeps
one after every update, and is killed by SIGKILL. Whatever the moment, the newest checkpoint can be read, is no older
than the one before, and at the end the weights are those of a training run that nobody has killed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

import minisgd as ms
from minisgd.errors import CheckpointError
from minisgd.training.checkpoint import CheckpointFolder

STEPS = 400


def train(folder: Path, steps: int = STEPS, every: float = 1e-6) -> ms.Run:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 6)).astype(np.float32)
    data = ms.Dataset.from_arrays(x, (x[:, 0] > 0).astype(np.int64))
    net = ms.Network(ms.Linear(8), ms.BatchNorm(), ms.ReLU(), ms.Dropout(0.2), ms.Linear(2))
    resume = folder if any(folder.glob("*.json")) else None
    return ms.train(
        net, data, optimizer=ms.Adam(), steps=steps, checkpoint=folder, checkpoint_every=every, resume=resume
    )


def reached(folder: Path) -> int:
    try:
        steps: int = CheckpointFolder(folder, "folder").read()["session"]["steps"]
    except CheckpointError as error:
        assert "no checkpoint in it" in str(error) or "no such folder" in str(error), error
        return 0
    return steps


def main(folder: Path, kills: int) -> None:
    rng, before, landed, round_number = np.random.default_rng(), 0, 0, 0
    run = folder / "0"
    while landed < kills:
        child = os.fork()
        if child == 0:
            train(run)
            os._exit(0)
        time.sleep(float(rng.uniform(0.0, 0.15)))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        landed += os.WIFSIGNALED(status)
        now = reached(run)
        assert now >= before, f"{now} steps after {before}"
        before = now
        if now >= STEPS:  # the next one is killed from the beginning on
            round_number, before = round_number + 1, 0
            run = folder / str(round_number)
    last = train(run)
    whole = train(folder / "whole", every=1e9)
    np.testing.assert_array_equal(last.network.vector, whole.network.vector)
    np.testing.assert_array_equal(last.network.statistics, whole.network.statistics)
    names = sorted(path.name for path in run.iterdir())
    expected = [f"checkpoint-{step:09d}.{kind}" for step in (STEPS - 1, STEPS) for kind in ("json", "safetensors")]
    assert names in (expected, expected[2:]), names
    print(f"{landed} kills, {round_number} training runs finished between them: every checkpoint could be read")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
