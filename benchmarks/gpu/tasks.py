"""What is raced on the GPU: networks, batch sizes, rivals and the ratios aimed at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.cpu.rivals import Task
from benchmarks.harness.workloads import WORKLOADS, Workload

COMPILED, GRAPHED = "torch-compile", "torch-graph"
NEED_A_GPU = (COMPILED, GRAPHED)
"""Rivals whose CUDA graphs no double can stand for."""

_MLP = Workload(
    "G1",
    "MLP 784-512-512-10, momentum",
    input_shape=(784,),
    widths=(512, 512, 10),
    batch_sizes=(128,),
    targets={"torch": {128: 5.0}, GRAPHED: {128: 1.0}},
)

_TABLE = (
    _MLP,
    replace(
        _MLP,
        name="G2",
        title="64 replicas of the MLP 784-512-512-10",
        kind="stack",
        replicas=64,
        targets={"torch-vmap": {128: 2.0}},
    ),
    Workload(
        "G3",
        "MLP 4096-4096-4096-10, momentum",
        input_shape=(4096,),
        widths=(4096, 4096, 10),
        batch_sizes=(8192,),
        lr=0.001,
        targets={"torch": {8192: 1.0}},
    ),
    replace(WORKLOADS["W1"], targets={}, batch_sizes=(32, 128, 512)),
    replace(WORKLOADS["W1a"], targets={}, batch_sizes=(128,)),
    replace(WORKLOADS["W3"], targets={}, batch_sizes=(100, 500)),
)

SPECS = {spec.name: spec for spec in _TABLE}

STEP_MICROSECONDS = {("G1", 128): 50.0}
"""How long a whole step may take at most."""


@dataclass(frozen=True)
class GpuTask(Task):
    """A workload at a batch size on a device.  precision: of float32 products, "full" or "tf32", for every rival"""

    device: str = "cuda"
    precision: str = "full"
    dry: bool = False

    @property
    def spec(self) -> Workload:
        spec = SPECS[self.workload]
        if not self.dry:
            return spec
        narrow = tuple(min(width, 16) for width in spec.widths)
        return replace(
            spec,
            widths=narrow,
            channels=spec.channels and (2, 3),
            replicas=min(spec.replicas, 3),
            input_shape=self._small,
        )

    @property
    def _small(self) -> tuple[int, ...]:
        shape = SPECS[self.workload].input_shape
        return (8, 8, 1) if len(shape) == 3 else (24,)


def tasks(dry: bool) -> list[GpuTask]:
    """Return the races in order of worth: the targets first, then the same at TF32, then the rest."""
    size = {"n": 40, "dry": True} if dry else {}
    found = []
    for spec in _TABLE:
        for b in (8,) if dry else spec.batch_sizes:
            n = {} if dry else {"n": max(8192, 2 * b)}
            found.append(GpuTask(spec.name, b, **size, **n))
    at_tf32 = [replace(task, precision="tf32") for task in found if task.workload == "G3"]
    return found[:3] + at_tf32 + found[3:]


@dataclass(frozen=True)
class GpuEntry:
    """A form of a framework on the GPU.  kinds: of workloads that it takes part in"""

    name: str
    title: str
    module: str
    kind: str
    package: str
    kinds: tuple[str, ...] = ("train",)


ENTRIES = {
    entry.name: entry
    for entry in (
        GpuEntry("minisgd", "minisgd", "minisgd_rivals", "MinisgdGpu", "minisgd", ("train", "stack")),
        GpuEntry("torch", "PyTorch eager, fused optimizer", "torch_rivals", "TorchGpu", "torch"),
        GpuEntry(COMPILED, "PyTorch, torch.compile with CUDA graphs", "torch_rivals", "TorchGpuCompiled", "torch"),
        GpuEntry(GRAPHED, "PyTorch, the whole step in one CUDA graph", "torch_rivals", "TorchGpuGraph", "torch"),
        GpuEntry("torch-vmap", "PyTorch, torch.func.vmap", "torch_rivals", "TorchGpuVmap", "torch", ("stack",)),
        GpuEntry("jax", "JAX, jitted step, donated buffers", "jax_rivals", "JaxGpuStep", "jax", ("train", "stack")),
        GpuEntry("jax-scan", "JAX, an epoch in lax.scan", "jax_rivals", "JaxGpuScan", "jax", ("train", "stack")),
    )
}


def made_up(task: GpuTask) -> tuple[np.ndarray, np.ndarray]:
    """Return x (n, *input) float32 in [0, 1] and y (n,) int64: the time of a step does not depend on them."""
    rng = np.random.default_rng(0)
    return rng.random((task.n, *task.spec.input_shape), np.float32), rng.integers(0, 10, task.n)


def tolerance(task: GpuTask) -> float:
    """Return how far losses may be from minisgd's, relative to 1 + |loss|."""
    limits: Mapping[str, float] = {"full": 1e-4, "tf32": 1e-2}
    return limits[task.precision]
