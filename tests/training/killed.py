"""Kill at random moments, again and again: ``python -m tests.training.killed train|study|claims FOLDER KILLS``.

A process that has imported everything forks a child for every try; the child goes on from the last checkpoint and keeps
one after every update, and is killed by SIGKILL. Whatever the moment, the newest checkpoint can be read, is no older
than the one before, and at the end the weights are those of a training run that nobody has killed.
Of a study and of claims no finished training run is lost.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
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


def killed(work: Callable[[], object], longest: float, rng: np.random.Generator) -> bool:
    """Begin some work in another process and kill it at a random moment; return whether that was before its end."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    time.sleep(float(rng.uniform(0.0, longest)))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def kill_training(folder: Path, kills: int) -> int:
    """Kill training runs; return how many ended in between."""
    rng, before, landed, round_number = np.random.default_rng(), 0, 0, 0
    run = folder / "0"
    while landed < kills:
        landed += killed(partial(train, run), 0.15, rng)
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
    return round_number


def compare(kind: str, folder: Path) -> None:
    """Run a small study, or answer a claim, in a folder."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(160, 6)).astype(np.float32)
    data = ms.Dataset.from_arrays(x, (x[:, 0] > 0).astype(np.int64), validation=0.25)
    net = ms.Network(ms.Linear(2))
    if kind == "study":
        ms.study(net, data, batch_sizes=[8, 32, 120], target_loss=0.4, seeds=2, budget="4s", out=folder)
    else:
        ms.claims(net, data, only=[9], seeds=2, budget="4s", out=folder)


def kill_comparison(kind: str, folder: Path, kills: int) -> int:
    """Kill studies or claims; return how many ended in between."""
    rng, landed, ended, before = np.random.default_rng(), 0, 0, 0
    here = folder / "0"
    while landed < kills:
        if killed(partial(compare, kind, here), 0.8, rng):
            landed += 1
            cells = finished(here)
            assert cells >= before, f"{cells} finished training runs after {before}"
            before = cells
        else:
            ended, before = ended + 1, 0
            here = folder / str(ended)
    compare(kind, here)
    assert finished(here) >= before
    left = [path.name for path in here.rglob("*") if path.suffix == ".part" or path.name == "lock"]
    assert not left, left
    return ended


def finished(folder: Path) -> int:
    """Return the training runs that the journals of a folder hold; every line but the last must be whole."""
    lines = [path.read_text().split("\n")[:-1] for path in folder.rglob("cells.jsonl")]
    return sum(len([json.loads(line) for line in each]) for each in lines)


def main(kind: str, folder: Path, kills: int) -> None:
    ended = kill_training(folder, kills) if kind == "train" else kill_comparison(kind, folder, kills)
    print(f"{kills} kills of {kind}, {ended} ended between them: nothing was lost")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
