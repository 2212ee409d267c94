"""Which kernel of ``update.cu`` is the update of an optimizer, on which state and with which numbers.

To add one, declare its kernel and write a row of `FORMULAS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from minisgd.backend.cuda.launcher import Definition, definition
from minisgd.optim.adagrad import Adagrad
from minisgd.optim.adam import Adam
from minisgd.optim.adamw import AdamW
from minisgd.optim.lion import Lion
from minisgd.optim.moments import MomentOptimizer
from minisgd.optim.optimizer import Optimizer
from minisgd.optim.rmsprop import RMSProp
from minisgd.optim.schedule_free import ScheduleFreeAdamW, ScheduleFreeSGD
from minisgd.optim.sgd import SGD
from minisgd.optim.sign_sgd import SignSGD

BLOCK, WIDTH = 256, 4
MACROS = {"BLOCK": BLOCK, "WIDTH": WIDTH}
CLOCKS = ("t", "correction", "eps_hat")
CORRECTION = "correction:float64 eps_hat:float64"

_define = partial(definition, "update", (MACROS,))


def _sweep(name: str, arrays: str, numbers: str) -> Definition:
    """Define a formula on vectors, which are strided: w, its state, and the one that is only read."""
    rows = "P w_row g_row s_row" if arrays.count("~") > 2 else "P w_row g_row"
    return _define(name, arrays, strides=f"{rows} wide:int32", reals=numbers)


BIAS_CORRECTION = _define(
    "adam_bias_correction", f"t:float64 {CORRECTION}", reals="beta1:float64 beta2:float64 eps:float64"
)
PLAIN = _sweep("sgd", "w~ g~ lr", "decay")
MOMENTUM = _sweep("momentum", "w~ v~ g~ lr", "mu decay")
NESTEROV = _sweep("nesterov", "w~ v~ g~ lr", "mu decay")
RMSPROP = _sweep("rmsprop", "w~ s~ g~ lr", "alpha rest eps decay")
RMSPROP_MOMENTUM = _sweep("rmsprop_momentum", "w~ s~ v~ g~ lr", "alpha rest eps mu decay")
ADAM = _sweep("adam", f"w~ m~ v~ g~ lr {CORRECTION}", "beta1 rest1 beta2 rest2 decay")
ADAMW = _sweep("adamw", f"w~ m~ v~ g~ lr {CORRECTION}", "beta1 rest1 beta2 rest2 shrink")
SIGN = _sweep("sign_sgd", "w~ g~ lr", "shrink")
LION = _sweep("lion", "w~ m~ g~ lr", "ahead beta rest shrink")
FREE_SHARE = _define("schedule_free_share", "total~ c lr", strides="R row", reals="least")
INTERPOLATE = _sweep("interpolate", "w~ d~", "part")
FREE_SGD = _sweep("schedule_free_sgd", "w~ d~ g~ lr c", "part decay")
FREE_ADAMW = _sweep("schedule_free_adamw", f"w~ d~ v~ g~ lr c {CORRECTION}", "part beta2 rest2 decay")

KERNELS = (
    BIAS_CORRECTION, PLAIN, MOMENTUM, NESTEROV, RMSPROP, RMSPROP_MOMENTUM, ADAM, ADAMW, SIGN, LION, FREE_SHARE,
    INTERPOLATE, FREE_SGD, FREE_ADAMW,
)  # fmt: skip


@dataclass(frozen=True)
class Formula:
    """The kernel of an optimizer with its settings, the state vectors it takes after w, and its numbers.

    corrected: β₁, β₂ and ε of the bias correction that is launched before it, if any
    """

    definition: Definition
    slots: tuple[str, ...]
    numbers: tuple[float, ...]
    corrected: tuple[float, ...] = ()


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
    return Formula(definition, ("m", "v"), (one, 1 - one, two, 1 - two, o.weight_decay), (one, two, o.eps))


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
    """There is no average of g to correct, so β₁ counts as 0."""
    two = o.betas[1]
    return Formula(FREE_ADAMW, ("d", "v"), (1 - o.beta, two, 1 - two, o.weight_decay), (0.0, two, o.eps))


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
