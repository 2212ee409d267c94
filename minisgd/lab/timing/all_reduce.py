"""How long n ranks take to add up their gradients: measured on two, computed for more."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from minisgd.errors import MissingExtraError


@dataclass(frozen=True)
class AllReduce:
    """T(n) = 2 ⌈log2 n⌉ α + 2 (n − 1)/n · bytes/β, an all-to-all and an all-gather, 0 for one rank.

    Thakur, Rabenseifner and Gropp 2005, Optimization of collective communication operations in MPICH, section 4.

    latency: α, seconds   bandwidth: β, bytes per second
    cpu_share: of the processor, that each rank had at least while it was timed; they wait at work
    """

    latency: float
    bandwidth: float
    cpu_share: float = 1.0

    def seconds(self, ranks: int, size: float) -> float:
        """Return T(n) for vectors of so many bytes."""
        return 2 * math.ceil(math.log2(ranks)) * self.latency + 2 * (1 - 1 / ranks) * size / self.bandwidth

    def unhindered(self) -> AllReduce:
        """Return what it takes by the seconds that the processor worked."""
        return replace(self, latency=self.latency * self.cpu_share, bandwidth=self.bandwidth / self.cpu_share)

    @classmethod
    def fitted(cls, seconds: Mapping[float, float], cpu_share: float = 1.0) -> AllReduce:
        """Fit to the seconds of two ranks by bytes: least squares of relative errors."""
        size, taken = (np.array(list(values), float) for values in (seconds.keys(), seconds.values()))
        rows = np.stack([2 / taken, size / taken], axis=1)
        latency, inverse = np.linalg.lstsq(rows, np.ones(len(size)))[0]
        return cls(max(float(latency), 0.0), 1 / max(float(inverse), 1e-15), cpu_share)


def measure_all_reduce() -> AllReduce:
    """Measure two ranks on this machine, which exchange vectors through its memory.

    Raises:
        MissingExtraError: There is no MPI to start them.
    """
    own = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(own) if own.exists() else shutil.which("mpiexec") or "mpiexec"
    command = [mpiexec, "-n", "2", sys.executable, "-m", "minisgd.training.distributed.measure"]
    try:
        printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        found = json.loads(printed)
        seconds = {float(size): taken for size, taken in found["seconds"].items()}
        return AllReduce.fitted(seconds, found["cpu_share"])
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        raise MissingExtraError(
            "ranks", expected="started by mpiexec, to time them", got=reason, fix="pip install 'minisgd[mpi]'"
        ) from error
