"""Optimizers whose update is one kernel: one launch over all parameters of all replicas, one pass over memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.cuda.kernels.shapes import blocks, require_rows, require_shape, stride
from minisgd.backend.cuda.launcher import Definition, KernelLibrary
from minisgd.backend.cuda.workload import LONG, REAL, Device, Floor, Workload, Workloads
from minisgd.backend.dispatch import tuned
from minisgd.optim.adam import Adam
from minisgd.optim.adamw import AdamW
from minisgd.optim.cuda.formulas import (
    BIAS_CORRECTION,
    BLOCK,
    CLOCKS,
    FORMULAS,
    FREE_SHARE,
    INTERPOLATE,
    KERNELS,
    MACROS,
    WIDTH,
)
from minisgd.optim.lion import Lion
from minisgd.optim.optimizer import Optimizer, UpdateBuffers
from minisgd.optim.rmsprop import RMSProp
from minisgd.optim.schedule_free import ScheduleFreeAdamW, ScheduleFreeOptimizer, ScheduleFreeSGD, least_weight
from minisgd.optim.sgd import SGD
from minisgd.optim.sign_sgd import SignSGD
from minisgd.typing import Array

BYTES_A_LOAD = 16
SHARE = ScheduleFreeOptimizer.rates

DEFINITIONS = KERNELS


def launch(
    library: KernelLibrary,
    address: Callable[[Array], int],
    optimizer: Optimizer,
    w: Array,
    g: Array,
    lr: Array,
    slots: Mapping[str, Array],
    clocks: Sequence[Array] = (),
    rates: Sequence[Array] = (),
) -> None:
    """Move R flat vectors by the formula of an optimizer.

    address: of the first element of an array, in bytes, as `Ops.address`; it decides whether rows are aligned
    w, g and slots (R, P), g only read, rows any distance apart, those of all slots the same   lr (R, 1)
    clocks: of Adam, three arrays () float64: t, and the two numbers that the update derives from it first
    rates: of schedule-free optimizers, two arrays (R, 1): c and Σ lr², which the update derives from lr first
    """
    formula = FORMULAS[type(optimizer)](optimizer)
    R, name = len(w), formula.definition.name
    vectors = [w, *(slots[slot] for slot in formula.slots), g]
    for vector in vectors:
        require_shape(vector, f"{name}: vectors", w.shape)
        require_rows(vector, f"{name}: vectors")
    for rate, what in zip((lr, *rates), ("lr", "c", "Σ lr²"), strict=False):
        require_shape(rate, f"{name}: {what}", (R, 1))
    if formula.corrected:
        for clock, what in zip(clocks, CLOCKS, strict=True):
            require_shape(clock, f"{name}: {what}", ())
        library.kernel(BIAS_CORRECTION, **MACROS)((1, 1, 1), (1, 1, 1), *clocks, *formula.corrected)
    if rates:
        c, total = rates
        share = library.kernel(FREE_SHARE, **MACROS)
        share((blocks(R, BLOCK), 1, 1), (BLOCK, 1, 1), total, c, lr, R, stride(total, 0), least_weight(w.dtype))
    _sweep(library, address, formula.definition, vectors, (lr, *rates[:1], *clocks[1:]), formula.numbers)


def launch_interpolation(
    library: KernelLibrary, address: Callable[[Array], int], optimizer: ScheduleFreeOptimizer, w: Array, d: Array
) -> None:
    """w ← w + (1 − β) d.  w, d (R, P), rows any distance apart"""
    _sweep(library, address, INTERPOLATE, (w, d), (), (1 - optimizer.beta,))


def _sweep(
    library: KernelLibrary,
    address: Callable[[Array], int],
    definition: Definition,
    vectors: Sequence[Array],
    few: Sequence[Array],
    numbers: Sequence[float],
) -> None:
    """Launch a formula on all elements of vectors (R, P); few: the arrays of a number each, or one a replica"""
    w, *state, g = vectors
    R, P = w.shape
    rows = (stride(vector, 0) for vector in (w, g, *state[:1]))
    wide = all((address(v) | v.strides[0] if R > 1 else address(v)) % BYTES_A_LOAD == 0 for v in vectors)
    library.kernel(definition, **MACROS)(
        (blocks(P, BLOCK * WIDTH), R, 1), (BLOCK, 1, 1), *vectors, *few, P, *rows, int(wide), *numbers
    )


def move(self: Optimizer, ops: CupyVocabulary, b: UpdateBuffers) -> None:
    """w ← w − …, as the class of the optimizer has it"""
    w, g, lr = _rows(b.w), _rows(b.g), _rows(b.lr)
    slots = {name: _rows(slot) for name, slot in b.slots.items()}
    library, clocks = ops.kernels.library(b.w.dtype), [b.clocks[name] for name in self.clocks]
    rates = [_rows(b.rates[name]) for name in SHARE if name in self.rates]
    ops.launch(
        "update",
        lambda: launch(library, ops.address, self, w, g, lr, slots, clocks, rates),
        (b.w, b.g, b.lr, *b.slots.values()),
        b.w,
    )


def interpolate(self: ScheduleFreeOptimizer, ops: CupyVocabulary, b: UpdateBuffers) -> None:
    """w ← w + (1 − β) d"""
    w, d, library = _rows(b.w), _rows(b.slots["d"]), ops.kernels.library(b.w.dtype)
    ops.launch("update", lambda: launch_interpolation(library, ops.address, self, w, d), (b.w, b.slots["d"]), b.w)


for _kind in FORMULAS:
    tuned("cuda", _kind, "move")(move)
    if issubclass(_kind, ScheduleFreeOptimizer):
        tuned("cuda", _kind, "interpolate")(interpolate)


def _rows(vector: Array) -> Array:
    """Return a vector (…, P) as (R, P)."""
    return vector.reshape(-1, vector.shape[-1])


# ------------------------------------------------ what is timed

TIMED: tuple[Optimizer, ...] = (
    SGD(0.1),
    SGD(0.1, momentum=0.9),
    SGD(0.1, momentum=0.9, nesterov=True),
    RMSProp(0.1),
    RMSProp(0.1, momentum=0.9),
    Adam(0.1),
    AdamW(0.1),
    SignSGD(0.1),
    Lion(0.1),
    ScheduleFreeSGD(0.1),
    ScheduleFreeAdamW(0.1),
)


def updates(device: Device, P: int) -> Iterator[Workload]:
    """Yield every formula on one vector of P parameters: g is read; w and the state are read and written."""
    for optimizer in TIMED:
        w, g, lr = device.reals(1, P), device.reals(1, P), device.reals(1, 1)
        slots = {name: device.reals(1, P) for name in optimizer.slots}
        clocks = [device.xp.zeros((), np.float64) for _ in optimizer.clocks]
        rates = [device.reals(1, 1) for name in SHARE if name in optimizer.rates]
        run = partial(launch, device.library, device.address, optimizer, w, g, lr, slots, clocks, rates)
        name, floor = FORMULAS[type(optimizer)](optimizer).definition.name, Floor((3 + 2 * len(slots)) * REAL * P)
        corrections = {BIAS_CORRECTION.name: Floor(4 * LONG)} if clocks else {}
        shares = {FREE_SHARE.name: Floor(4 * REAL)} if rates else {}
        yield Workload(name, run, floor, {**corrections, **shares, name: floor})
    w, d, floor = device.reals(1, P), device.reals(1, P), Floor(3 * REAL * P)
    run = partial(launch_interpolation, device.library, device.address, ScheduleFreeSGD(), w, d)
    yield Workload(INTERPOLATE.name, run, floor, {INTERPOLATE.name: floor})


WORKLOADS = Workloads(updates, natural=({"P": 1 << 24},), miniature=({"P": 4097},))
