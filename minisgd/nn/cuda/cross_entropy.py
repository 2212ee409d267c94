"""Softmax cross-entropy: loss and gradient of every example in one pass over the logits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.cuda.kernels.shapes import blocks, power_of_two, require_shape
from minisgd.backend.cuda.launcher import KernelLibrary, definition, variants
from minisgd.backend.cuda.workload import LONG, REAL, Device, Floor, Workload, Workloads
from minisgd.backend.dispatch import tuned
from minisgd.errors import ShapeError
from minisgd.nn.cuda.replicas import dense
from minisgd.nn.losses.cross_entropy import SoftmaxCrossEntropy
from minisgd.typing import Array

BLOCK = 128
VARIANTS = variants(BLOCK=(BLOCK,), LANES=(4, 16, 32))
_results = "weight? loss dz value? total?:float64 arrived?:int32"

LABELS = definition("cross_entropy", VARIANTS, "cross_entropy", f"z label:int64 {_results}", "B C", reals="smoothing")
PROBABILITIES = definition(
    "cross_entropy", VARIANTS, "soft_cross_entropy", f"z target {_results}", "B C", reals="smoothing"
)

DEFINITIONS = (LABELS, PROBABILITIES)


class CrossEntropyKernels:
    """Softmax cross-entropy with the formulas of `minisgd.SoftmaxCrossEntropy`."""

    def __init__(self, library: KernelLibrary) -> None:
        self.library = library

    def __call__(
        self,
        z: Array,
        target: Array,
        loss: Array,
        dz: Array,
        *,
        weight: Array | None = None,
        value: Array | None = None,
        total: Array | None = None,
        arrived: Array | None = None,
        smoothing: float = 0.0,
    ) -> None:
        """loss = w ℓ    dz = w/B (p − t)    value = Σ_B loss    total += value

        z, dz (R, B, C)   target (R, B) int64 labels or (R, B, C) probabilities   loss, weight (R, B)   value (R)
        total (R) float64   arrived: R int32 at least, which are zero before and after; to be given with value
        dz may be z.
        """
        R, B, C = z.shape
        kernel = LABELS if target.ndim == 2 else PROBABILITIES
        require_shape(target, f"{kernel.name}: target", (R, B) if target.ndim == 2 else z.shape)
        require_shape(loss, f"{kernel.name}: loss", (R, B))
        require_shape(dz, f"{kernel.name}: dz", z.shape)
        if weight is not None:
            require_shape(weight, f"{kernel.name}: weight", (R, B))
        for name, each in (("value", value), ("total", total)):
            if each is not None:
                require_shape(each, f"{kernel.name}: {name}", (R,))
        if value is not None and (arrived is None or arrived.size < R):
            got, fix = "none" if arrived is None else arrived.shape, "take them from the kernels' workspace"
            raise ShapeError(f"{kernel.name}: arrived", expected=f"{R} numbers at least", got=got, fix=fix)
        lanes = lanes_for(C)
        grid, results = (blocks(B, BLOCK // lanes), R, 1), (weight, loss, dz, value, total, arrived)
        launch = self.library.kernel(kernel, BLOCK=BLOCK, LANES=lanes)
        launch(grid, (BLOCK, 1, 1), z, target, *results, B, C, smoothing)


def lanes_for(C: int) -> int:
    """Return how many threads share a row of C: few builds, and at least half of the threads at work."""
    return next((lanes for lanes in (4, 16) if power_of_two(C) <= lanes), 32)


# ------------------------------------------------ the methods


@tuned("cuda", SoftmaxCrossEntropy, "weighted")
def weighted(self: SoftmaxCrossEntropy, ops: CupyVocabulary, target: Array) -> None:
    """losses = w_i ℓ_i, and dz = w_i/B ∂ℓ_i/∂z_i as well"""
    _launch(self, ops, target, self.losses)


@tuned("cuda", SoftmaxCrossEntropy, "accumulate")
def accumulate(self: SoftmaxCrossEntropy, ops: CupyVocabulary, target: Array, into: Array) -> None:
    """value = Σ w_i ℓ_i, and dz as well    into += value"""
    _launch(self, ops, target, into, self.value, into)


def _launch(loss: SoftmaxCrossEntropy, ops: CupyVocabulary, target: Array, out: Array, *sums: Array) -> None:
    """Compute losses and dz, and where they are given value and total."""
    kernel, arrived = ops.family(CrossEntropyKernels, loss.z.dtype), ops.kernels.arrivals()
    value, total = sums or (None, None)
    operands = loss.z, target, loss.losses, loss.dz, loss.weight, value, total

    def emit() -> None:
        for z, t, losses, dz, weight, value, total in dense(loss.lead, *operands):
            results = {"weight": weight, "value": value, "total": total, "arrived": arrived}
            kernel(z, t, losses, dz, **results, smoothing=loss.label_smoothing)

    ops.launch("cross_entropy", emit, (loss.z, target), out)


@tuned("cuda", SoftmaxCrossEntropy, "weighted_gradient")
def weighted_gradient(self: SoftmaxCrossEntropy, ops: CupyVocabulary) -> None:
    """Leave dz as the forward pass wrote it."""


# ------------------------------------------------ what is timed


def losses(device: Device, B: int, C: int) -> Iterator[Workload]:
    """Yield both losses, for B examples of C classes."""
    loss = CrossEntropyKernels(device.library)
    z, dz, target, value = *(device.reals(1, B, C) for _ in range(3)), device.reals(1, B)
    labels, shape = device.xp.zeros((1, B), np.int64), f"{B}x{C}"
    for name, run, floor in (
        ("cross_entropy", lambda: loss(z, labels, value, dz), Floor(B * (REAL * (2 * C + 1) + LONG))),
        ("soft_cross_entropy", lambda: loss(z, target, value, dz), Floor(B * REAL * (3 * C + 1))),
    ):
        yield Workload(f"{name} {shape}", run, floor, {name: floor})


WORKLOADS = Workloads(
    losses, natural=({"B": 1 << 16, "C": 10}, {"B": 1 << 16, "C": 1000}), miniature=({"B": 32, "C": 10},)
)
