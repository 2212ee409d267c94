"""Optimizers whose update is one kernel: one launch over all parameters of all replicas, one pass over memory.

To add one, declare its kernel of ``update.cu`` and write a row of `FORMULAS`: which kernel its settings choose, on
which state, with which numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.cuda.kernels.shapes import blocks, require_rows, require_shape, stride
from minisgd.backend.cuda.launcher import Definition, KernelLibrary, Signature, array, scalar
from minisgd.backend.cuda.workload import LONG, REAL, Device, Floor, Workload, Workloads
from minisgd.backend.dispatch import tuned
from minisgd.optim.adagrad import Adagrad
from minisgd.optim.adam import Adam
from minisgd.optim.adamw import AdamW
from minisgd.optim.lion import Lion
from minisgd.optim.moments import MomentOptimizer
from minisgd.optim.optimizer import Optimizer, UpdateBuffers
from minisgd.optim.rmsprop import RMSProp
from minisgd.optim.schedule_free import ScheduleFreeAdamW, ScheduleFreeOptimizer, ScheduleFreeSGD, least_weight
from minisgd.optim.sgd import SGD
from minisgd.optim.sign_sgd import SignSGD
from minisgd.typing import Array

BLOCK, WIDTH = 256, 4
MACROS = {"BLOCK": BLOCK, "WIDTH": WIDTH}
BYTES_A_LOAD = 16
CLOCKS = ("t", "correction", "eps_hat")


def _definition(
    name: str,
    vectors: Sequence[str],
    numbers: Sequence[str],
    clocks: Sequence[str] = (),
    rates: Sequence[str] = ("lr",),
) -> Definition:
    arrays = [array(v, "real", strided=True) for v in vectors] + [array(rate, "real") for rate in rates]
    arrays += [array(c, "float64") for c in clocks]
    sizes = [scalar(n, "int64") for n in ("P", "w_row", "g_row", "s_row")[: 3 + (len(vectors) > 2)]]
    return Definition(
        "update",
        Signature(name, (*arrays, *sizes, scalar("wide", "int32"), *(scalar(n, "real") for n in numbers))),
        (MACROS,),
    )


BIAS_CORRECTION = Definition(
    "update",
    Signature(
        "adam_bias_correction",
        (*(array(c, "float64") for c in CLOCKS), *(scalar(n, "float64") for n in ("beta1", "beta2", "eps"))),
    ),
    (MACROS,),
)
PLAIN = _definition("sgd", "wg", ["decay"])
MOMENTUM = _definition("momentum", "wvg", ["mu", "decay"])
NESTEROV = _definition("nesterov", "wvg", ["mu", "decay"])
RMSPROP = _definition("rmsprop", "wsg", ["alpha", "rest", "eps", "decay"])
RMSPROP_MOMENTUM = _definition("rmsprop_momentum", "wsvg", ["alpha", "rest", "eps", "mu", "decay"])
ADAM = _definition("adam", "wmvg", ["beta1", "rest1", "beta2", "rest2", "decay"], CLOCKS[1:])
ADAMW = _definition("adamw", "wmvg", ["beta1", "rest1", "beta2", "rest2", "shrink"], CLOCKS[1:])
SIGN = _definition("sign_sgd", "wg", ["shrink"])
LION = _definition("lion", "wmg", ["ahead", "beta", "rest", "shrink"])
FREE_SHARE = Definition(
    "update",
    Signature(
        "schedule_free_share",
        (
            array("total", "real", strided=True),
            array("c", "real"),
            array("lr", "real"),
            *(scalar(n, "int64") for n in ("R", "row")),
            scalar("least", "real"),
        ),
    ),
    (MACROS,),
)
INTERPOLATE = _definition("interpolate", "wd", ["part"], rates=())
FREE_SGD = _definition("schedule_free_sgd", "wdg", ["part", "decay"], (), ("lr", "c"))
FREE_ADAMW = _definition("schedule_free_adamw", "wdvg", ["part", "beta2", "rest2", "decay"], CLOCKS[1:], ("lr", "c"))

DEFINITIONS = (
    BIAS_CORRECTION, PLAIN, MOMENTUM, NESTEROV, RMSPROP, RMSPROP_MOMENTUM, ADAM, ADAMW, SIGN, LION, FREE_SHARE,
    INTERPOLATE, FREE_SGD, FREE_ADAMW,
)  # fmt: skip


@dataclass(frozen=True)
class Formula:
    """The kernel of an optimizer with its settings, the state vectors it takes after w, and its numbers."""

    definition: Definition
    slots: tuple[str, ...]
    numbers: tuple[float, ...]


def _sgd(o: SGD) -> Formula:
    if not o.momentum:
        return Formula(PLAIN, (), (o.weight_decay,))
    return Formula(NESTEROV if o.nesterov else MOMENTUM, ("velocity",), (o.momentum, o.weight_decay))


def _rmsprop(o: RMSProp) -> Formula:
    average = (o.alpha, 1 - o.alpha, o.eps)
    if not o.momentum:
        return Formula(RMSPROP, ("mean_square",), (*average, o.weight_decay))
    return Formula(RMSPROP_MOMENTUM, ("mean_square", "velocity"), (*average, o.momentum, o.weight_decay))


def _adagrad(o: Adagrad) -> Formula:
    """RMSProp that forgets nothing and takes all of g² in."""
    return Formula(RMSPROP, ("sum_of_squares",), (1.0, 1.0, o.eps, o.weight_decay))


def _adam(o: MomentOptimizer) -> Formula:
    (one, two), definition = o.betas, ADAMW if isinstance(o, AdamW) else ADAM
    return Formula(definition, ("m", "v"), (one, 1 - one, two, 1 - two, o.weight_decay))


def _lion(o: Lion) -> Formula:
    one, two = o.betas
    return Formula(LION, ("m",), (one / (1 - one), two, 1 - two, o.weight_decay))


def _sign_sgd(o: SignSGD) -> Formula:
    """With momentum it is Lion that looks no further ahead than its average."""
    if not o.momentum:
        return Formula(SIGN, (), (o.weight_decay,))
    return _lion(Lion(o.lr, betas=(o.momentum, o.momentum), weight_decay=o.weight_decay))


def _free_sgd(o: ScheduleFreeSGD) -> Formula:
    return Formula(FREE_SGD, ("d",), (1 - o.beta, o.weight_decay))


def _free_adamw(o: ScheduleFreeAdamW) -> Formula:
    two = o.betas[1]
    return Formula(FREE_ADAMW, ("d", "v"), (1 - o.beta, two, 1 - two, o.weight_decay))


FORMULAS: dict[type[Optimizer], Callable[[Any], Formula]] = {
    SGD: _sgd,
    RMSProp: _rmsprop,
    Adagrad: _adagrad,
    Adam: _adam,
    AdamW: _adam,
    SignSGD: _sign_sgd,
    Lion: _lion,
    ScheduleFreeSGD: _free_sgd,
    ScheduleFreeAdamW: _free_adamw,
}


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
    remembered = [slots[slot] for slot in formula.slots]
    vectors = [w, *remembered, g]
    for vector in vectors:
        require_shape(vector, f"{name}: vectors", w.shape)
        require_rows(vector, f"{name}: vectors")
    for rate, what in zip((lr, *rates), ("lr", "c", "Σ lr²"), strict=False):
        require_shape(rate, f"{name}: {what}", (R, 1))
    if isinstance(optimizer, MomentOptimizer | ScheduleFreeAdamW):
        for clock, what in zip(clocks, CLOCKS, strict=True):
            require_shape(clock, f"{name}: {what}", ())
        correct = library.kernel(BIAS_CORRECTION, **MACROS)
        beta1, beta2 = optimizer.betas
        averaged = 0.0 if isinstance(optimizer, ScheduleFreeOptimizer) else beta1
        correct((1, 1, 1), (1, 1, 1), *clocks, averaged, beta2, optimizer.eps)
    if isinstance(optimizer, ScheduleFreeOptimizer):
        c, total = rates
        share = library.kernel(FREE_SHARE, **MACROS)
        share((blocks(R, BLOCK), 1, 1), (BLOCK, 1, 1), total, c, lr, R, stride(total, 0), least_weight(w.dtype))
    rows = [stride(vector, 0) for vector in (w, g, *remembered[:1])]
    _sweep(library, address, formula.definition, vectors, (lr, *rates[:1], *clocks[1:]), rows, formula.numbers)


def _sweep(
    library: KernelLibrary,
    address: Callable[[Array], int],
    definition: Definition,
    vectors: Sequence[Array],
    few: Sequence[Array],
    rows: Sequence[int],
    numbers: Sequence[float],
) -> None:
    """Launch a formula on all elements of vectors (R, P); few: the arrays of a number each, or one a replica"""
    R, P = vectors[0].shape
    wide = all((address(v) | v.strides[0] if R > 1 else address(v)) % BYTES_A_LOAD == 0 for v in vectors)
    library.kernel(definition, **MACROS)(
        (blocks(P, BLOCK * WIDTH), R, 1), (BLOCK, 1, 1), *vectors, *few, P, *rows, int(wide), *numbers
    )


def launch_interpolation(
    library: KernelLibrary, address: Callable[[Array], int], optimizer: ScheduleFreeOptimizer, w: Array, d: Array
) -> None:
    """w ← w + (1 − β) d.  w, d (R, P), rows any distance apart"""
    _sweep(library, address, INTERPOLATE, (w, d), (), (stride(w, 0), stride(d, 0)), (1 - optimizer.beta,))


def move(self: Optimizer, ops: CupyVocabulary, b: UpdateBuffers) -> None:
    """w ← w − …, as the class of the optimizer has it"""
    w, g, lr = _rows(b.w), _rows(b.g), _rows(b.lr)
    slots = {name: _rows(slot) for name, slot in b.slots.items()}
    library, clocks = ops.kernels.library(b.w.dtype), [b.clocks[name] for name in self.clocks]
    rates = (
        [_rows(b.rates[name]) for name in ScheduleFreeOptimizer.rates]
        if isinstance(self, ScheduleFreeOptimizer)
        else []
    )
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
        rates = (
            [device.reals(1, 1) for _ in ScheduleFreeOptimizer.rates]
            if isinstance(optimizer, ScheduleFreeOptimizer)
            else []
        )
        name, floor = FORMULAS[type(optimizer)](optimizer).definition.name, Floor((3 + 2 * len(slots)) * REAL * P)

        def run(optimizer: Any = optimizer, arrays: Any = (w, g, lr, slots, clocks, rates)) -> None:
            launch(device.library, device.address, optimizer, *arrays)

        corrections = {BIAS_CORRECTION.name: Floor(4 * LONG)} if clocks else {}
        shares = {FREE_SHARE.name: Floor(4 * REAL)} if rates else {}
        yield Workload(name, run, floor, {**corrections, **shares, name: floor})
    yield _interpolating(device, P)


def _interpolating(device: Device, P: int) -> Workload:
    w, d, floor = device.reals(1, P), device.reals(1, P), Floor(3 * REAL * P)

    def run() -> None:
        launch_interpolation(device.library, device.address, ScheduleFreeSGD(), w, d)

    return Workload(INTERPOLATE.name, run, floor, {INTERPOLATE.name: floor})


WORKLOADS = Workloads(updates, natural=({"P": 1 << 24},), miniature=({"P": 4097},))
