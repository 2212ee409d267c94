"""Products by cuBLAS, to set the kernels' beside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minisgd.backend.cuda.workload import Floor, Workload


def cublas(cupy: Any) -> Iterator[Workload]:
    """Yield products of this file by cuBLAS: alone, and with bias and activation after it."""
    for R, B, I in ((64, 128, 512), (1, 2048, 2048), (1, 4096, 4096)):  # noqa: E741
        x, W, y, b = (cupy.ones(shape, np.float32) for shape in ((R, B, I), (R, I, I), (R, B, I), (R, 1, I)))

        def product(x: Any = x, W: Any = W, y: Any = y) -> None:
            cupy.matmul(x, W, out=y)

        def layer(x: Any = x, W: Any = W, y: Any = y, b: Any = b) -> None:
            cupy.matmul(x, W, out=y)
            cupy.add(y, b, out=y)
            cupy.maximum(y, 0, out=y)

        floor, shape = Floor(flop=2 * R * B * I * I), f"{R}x{B}x{I}x{I}"
        yield Workload(f"cublas {shape}", product, floor)
        yield Workload(f"cublas, bias, relu {shape}", layer, floor)
