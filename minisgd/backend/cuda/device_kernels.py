"""The kernels of one device: built when first asked for, launched from a list that was prepared once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minisgd.backend.cuda.compiler import CupyCompiler
from minisgd.backend.cuda.kernels.splits import Workspace
from minisgd.backend.cuda.launcher import KernelLibrary, Launch
from minisgd.typing import Array

FLOATS = ("float32", "float64")
"""The dtypes that kernels are built for."""

SCRATCH = 1 << 20
"""Elements of scratch for partial results, of each dtype that is used."""
ARRIVALS = SCRATCH // 2
"""Tiles whose splits can be counted: enough for all that scratch has room for."""


class CudaKernels:
    """Libraries of kernels by dtype, and the scratch that they share.

    zeros: allocates. All launches of a device are put on one stream, so they follow one another and the same
    scratch serves all of them.
    """

    def __init__(self, cupy: Any, zeros: Callable[[tuple[int, ...], str], Array]) -> None:
        self.zeros = zeros
        device = cupy.cuda.Device()
        self.multiprocessors = int(device.attributes["MultiProcessorCount"])
        self.copies = int(device.compute_capability) >= 80
        """Whether it copies to shared memory by itself."""
        compiler = CupyCompiler(cupy)
        self.libraries = {dtype: KernelLibrary(compiler, dtype) for dtype in FLOATS}
        self._scratch: dict[str, Array] = {}
        self._arrived: Array | None = None

    def library(self, dtype: Any) -> KernelLibrary:
        return self.libraries[np.dtype(dtype).name]

    def builds(self, *dtypes: Any) -> bool:
        """Tell whether arrays of these dtypes are all of one dtype that kernels are built for."""
        return len(set(dtypes)) == 1 and np.dtype(dtypes[0]).name in FLOATS

    def scratch(self, dtype: Any, elements: int) -> Array | None:
        """Return scratch for so many elements, or None where it has fewer: one block then does the work of several.

        What it holds is lost at the next launch.
        """
        if elements > SCRATCH:
            return None
        name = np.dtype(dtype).name
        if name not in self._scratch:
            self._scratch[name] = self.zeros((SCRATCH,), name)
        return self._scratch[name]

    def workspace(self, dtype: Any, elements: int) -> Workspace | None:
        """Return the same for a product whose sums may be split."""
        results = self.scratch(dtype, elements)
        return None if results is None else Workspace(results, self.arrivals())

    def arrivals(self) -> Array:
        """Return the counters of blocks that are done, all zero between launches."""
        if self._arrived is None:
            self._arrived = self.zeros((ARRIVALS,), "int32")
        return self._arrived

    @contextmanager
    def prepare(self) -> Iterator[list[Launch]]:
        """Collect the launches of this block, of every dtype, in their order."""
        launches: list[Launch] = []
        with self.libraries["float32"].prepare(launches), self.libraries["float64"].prepare(launches):
            yield launches
