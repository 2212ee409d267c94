"""Break one of two ranks at a random moment, again and again: ``python -m tests.training.distributed.broken TRIES``.

However it ends, by an exception, by SIGKILL or by Ctrl-C, both ranks and mpiexec are gone within five seconds.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

SECONDS = 5.0
WAYS = ("exception", "kill", "interrupt")
SAID = {"exception": "rank 1 of 2:", "kill": "Killed (signal 9)", "interrupt": "stopped: interrupted"}
"""What is on the terminal afterwards."""
ROOT = Path(__file__).parents[3]


def mpiexec() -> str | None:
    """Return the mpiexec that starts ranks of this Python, None where there is none."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def train_until_broken(way: str, step: int, notes: Path) -> None:
    """Be one of the ranks."""
    import minisgd as ms

    class Break(ms.Callback):
        def on_step(self, training: object) -> None:
            if training.session.steps == step and ranks.rank == 1:  # type: ignore[attr-defined]
                (notes / "broken").write_text(str(time.time()))
                if way == "exception":
                    raise RuntimeError("broken on purpose")
                os.kill(os.getpid(), signal.SIGKILL if way == "kill" else signal.SIGINT)

    ranks = ms.distributed.mpi()
    (notes / f"{ranks.rank}.pid").write_text(str(os.getpid()))
    data = ms.datasets.digits(validation=0.2, seed=0)
    run = ms.train(ms.Network(ms.Linear(10)), data, steps=10**9, epochs=10**9, communicator=ranks, callbacks=[Break()])
    print(f"stopped: {run.stopped}", flush=True)


def break_one(way: str, step: int, limit: float) -> tuple[float, str]:
    """Return the seconds from a rank's end to that of all, and what was said.

    Raises:
        TimeoutExpired: It took longer than the limit, and what was left has been killed.
    """
    with TemporaryDirectory() as folder:
        command = [mpiexec() or "", "-n", "2", sys.executable, "-m", __spec__.name, way, str(step), folder]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False)
        begun = time.monotonic()
        while any(Path(f"/proc/{path.read_text()}").exists() for path in Path(folder).glob("*.pid")):
            assert time.monotonic() - begun < limit, f"{way}: an orphan is left"
            time.sleep(0.01)
        seconds = time.time() - float((Path(folder) / "broken").read_text())
        said = found.stdout + found.stderr
        assert SAID[way] in said, said
        assert way != "exception" or "RuntimeError: broken on purpose" in said, said
        return seconds, said


def main(tries: int) -> None:
    rng = np.random.default_rng()
    slowest = 0.0
    for k in range(tries):
        seconds, _ = break_one(WAYS[k % len(WAYS)], int(rng.integers(1, 300)), limit=60)
        slowest = max(slowest, seconds)
        assert seconds < SECONDS, f"{WAYS[k % len(WAYS)]}: {seconds:.1f} s"
    print(f"{tries} tries: all gone within {slowest:.2f} s")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(int(sys.argv[1]))
    else:
        train_until_broken(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
