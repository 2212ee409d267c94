"""Launch every kernel once, small, for compute-sanitizer: python -m benchmarks.gpu.memcheck FILE SECONDS [--dry]

Without a pool, so that the sanitizer knows where every array ends. One line of JSON for each workload.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.gpu.device import usable_cupy
from benchmarks.gpu.dry import Leg, arguments, write_rows
from benchmarks.gpu.workloads import miniatures
from minisgd.backend.cuda.compiler import CupyCompiler
from minisgd.backend.cuda.cupy_ops import CupyOps
from minisgd.backend.cuda.launcher import KernelLibrary
from minisgd.backend.cuda.workload import Device


def rows(leg: Leg) -> Iterator[dict[str, Any]]:
    """Yield the workloads that ran."""
    cupy = usable_cupy()
    cupy.cuda.set_allocator(None)
    library, ops = KernelLibrary(CupyCompiler(cupy), np.float32), CupyOps()
    device = Device(cupy, library, ops.address, ops.kernels.multiprocessors, ops.kernels.copies)
    for workload in miniatures(device):
        workload.run()
        cupy.cuda.get_current_stream().synchronize()
        yield {"name": workload.name}


if __name__ == "__main__":
    leg = arguments()
    raise SystemExit(write_rows(leg, rows(leg)))
