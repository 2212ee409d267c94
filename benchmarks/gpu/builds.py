"""Build every kernel before anything is timed or tested: python -m benchmarks.gpu.builds FILE SECONDS [--dry]

A hundred builds by one thread take longer than all else together. CuPy keeps them on disk, where the other legs find
them. One line of JSON for each build: its name and how long it took.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from benchmarks.gpu.device import usable_cupy
from benchmarks.gpu.dry import Leg, arguments, write_rows
from minisgd.backend.cuda.compiler import CupyCompiler
from tests.cuda.shipped_kernels import Build, builds

THREADS = 16


def rows(leg: Leg) -> Iterator[dict[str, Any]]:
    """Yield the builds in the order in which they are done."""
    compiler, end = CupyCompiler(usable_cupy()), time.perf_counter() + leg.seconds
    wanted = builds()[:2] if leg.dry else builds()

    def build(one: Build) -> dict[str, Any]:
        about, begun = {"name": f"{one.file} {one.label}"}, time.perf_counter()
        if begun >= end:
            return about | {"skipped": "no time left"}
        try:
            compiler.compile(one.source, f"{one.file}.cu", one.options)
        except Exception as problem:
            return about | {"error": f"{type(problem).__name__}: {problem}"[:1000]}
        return about | {"seconds": time.perf_counter() - begun}

    with ThreadPoolExecutor(THREADS) as pool:
        for done in as_completed([pool.submit(build, one) for one in wanted]):
            yield done.result()


if __name__ == "__main__":
    leg = arguments()
    raise SystemExit(write_rows(leg, rows(leg)))
