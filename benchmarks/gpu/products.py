"""Products by cuBLAS, to set the kernels' beside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minisgd.backend.cuda.workload import Floor, Workload


def cublas(cupy: Any, small: bool = False) -> Iterator[Workload]:
    """Yield products by cuBLAS, alone and with bias and activation after it, at sizes that our kernels are timed at."""
    shapes = ((64, 128, 512), (1, 128, 512), (1, 256, 1024), (1, 512, 2048), (1, 2048, 2048), (1, 4096, 4096))
    rng = np.random.default_rng(0)
    for R, B, I in ((2, 8, 16),) if small else shapes:  # noqa: E741
        sizes = ((R, B, I), (R, I, I), (R, B, I), (R, 1, I))
        x, W, y, b = (cupy.asarray(rng.random(size, np.float32)) for size in sizes)

        def product(x: Any = x, W: Any = W, y: Any = y) -> None:
            cupy.matmul(x, W, out=y)

        def layer(x: Any = x, W: Any = W, y: Any = y, b: Any = b) -> None:
            cupy.matmul(x, W, out=y)
            cupy.add(y, b, out=y)
            cupy.maximum(y, 0, out=y)

        floor, shape = Floor(flop=2 * R * B * I * I), f"{R}x{B}x{I}x{I}"
        yield Workload(f"cublas {shape}", product, floor)
        yield Workload(f"cublas, bias, relu {shape}", layer, floor)
