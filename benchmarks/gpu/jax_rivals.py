"""JAX on the GPU: the rivals of the CPU with the precision of products said aloud."""

from __future__ import annotations

import jax
import numpy as np

from benchmarks.cpu.rivals.jax_rival import JaxScan, JaxStep
from benchmarks.gpu.minisgd_rivals import OnGpu

PRECISION = {"full": "highest", "tf32": "tensorfloat32"}


class JaxGpuStep(OnGpu, JaxStep):
    """One dispatch a step."""

    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        jax.config.update("jax_default_matmul_precision", PRECISION[self.gpu.precision])
        super().build(x, y, w)


class JaxGpuScan(OnGpu, JaxScan):
    """One dispatch an epoch."""

    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        jax.config.update("jax_default_matmul_precision", PRECISION[self.gpu.precision])
        super().build(x, y, w)
