"""Optimizer updates on flat vectors: one launch, one pass over memory."""

from __future__ import annotations

from collections.abc import Sequence

from minisgd.backend.cuda.kernels.shapes import blocks, require_shape
from minisgd.backend.cuda.launcher import Definition, KernelLibrary, Signature, array, scalar
from minisgd.typing import Array

BLOCK, ELEMENTS = 256, 4
MACROS = {"BLOCK": BLOCK, "ELEMENTS": ELEMENTS}


def _definition(name: str, vectors: Sequence[str], numbers: Sequence[str], clocks: Sequence[str] = ()) -> Definition:
    arrays = [array(v, "real") for v in (*vectors, "lr")] + [array(c, "float64") for c in clocks]
    return Definition(
        "update", Signature(name, (*arrays, scalar("P", "int64"), *(scalar(n, "real") for n in numbers))), (MACROS,)
    )


CLOCKS = ("t", "correction", "eps_hat")
ADAM_BIAS_CORRECTION = Definition(
    "update",
    Signature(
        "adam_bias_correction",
        (*(array(c, "float64") for c in CLOCKS), *(scalar(n, "float64") for n in ("beta1", "beta2", "eps"))),
    ),
    (MACROS,),
)
SGD = _definition("sgd", "wg", ["decay"])
MOMENTUM = _definition("momentum", "wvg", ["mu", "decay"])
NESTEROV = _definition("nesterov", "wvg", ["mu", "decay"])
RMSPROP = _definition("rmsprop", "wsg", ["alpha", "rest", "eps", "decay"])
RMSPROP_MOMENTUM = _definition("rmsprop_momentum", "wsvg", ["alpha", "rest", "eps", "mu", "decay"])
ADAM = _definition("adam", "wmvg", ["beta1", "rest1", "beta2", "rest2", "decay"], CLOCKS[1:])
ADAMW = _definition("adamw", "wmvg", ["beta1", "rest1", "beta2", "rest2", "shrink"], CLOCKS[1:])

DEFINITIONS = (ADAM_BIAS_CORRECTION, SGD, MOMENTUM, NESTEROV, RMSPROP, RMSPROP_MOMENTUM, ADAM, ADAMW)


class Update:
    """Updates of R flat vectors, with the formulas of `minisgd.optim`.

    w, g and the states (R, P), g only read   lr (R, 1)
    clocks: of Adam, three arrays () float64: t, and the two numbers that the update derives from it first
    """

    def __init__(self, library: KernelLibrary) -> None:
        self._kernels = {d.name: library.kernel(d, **MACROS) for d in DEFINITIONS}

    def sgd(self, w: Array, g: Array, lr: Array, *, weight_decay: float = 0.0) -> None:
        """w ← w − lr (g + λ w)"""
        self._launch("sgd", w, (g,), lr, weight_decay)

    def momentum(self, w: Array, v: Array, g: Array, lr: Array, *, momentum: float, weight_decay: float = 0.0) -> None:
        """v ← μ v + g    w ← w − lr v"""
        self._launch("momentum", w, (v, g), lr, momentum, weight_decay)

    def nesterov(self, w: Array, v: Array, g: Array, lr: Array, *, momentum: float, weight_decay: float = 0.0) -> None:
        """v ← μ v + g    w ← w − lr (g + μ v)"""
        self._launch("nesterov", w, (v, g), lr, momentum, weight_decay)

    def rmsprop(
        self,
        w: Array,
        s: Array,
        g: Array,
        lr: Array,
        *,
        v: Array | None = None,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        """s ← α s + (1 − α) g²    v ← μ v + g / (√s + ε)    w ← w − lr v;  without v, the step itself"""
        if v is None:
            self._launch("rmsprop", w, (s, g), lr, alpha, 1 - alpha, eps, weight_decay)
        else:
            self._launch("rmsprop_momentum", w, (s, v, g), lr, alpha, 1 - alpha, eps, momentum, weight_decay)

    def adagrad(
        self, w: Array, s: Array, g: Array, lr: Array, *, eps: float = 1e-10, weight_decay: float = 0.0
    ) -> None:
        """s ← s + g²    w ← w − lr g / (√s + ε):  RMSProp that forgets nothing and takes all of g² in"""
        self._launch("rmsprop", w, (s, g), lr, 1.0, 1.0, eps, weight_decay)

    def adam(
        self,
        w: Array,
        m: Array,
        v: Array,
        g: Array,
        lr: Array,
        clocks: Sequence[Array],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        """w ← w − lr m̂ / (√v̂ + ε), the decay inside the moments"""
        self._moments("adam", w, m, v, g, lr, clocks, betas, eps, weight_decay)

    def adamw(
        self,
        w: Array,
        m: Array,
        v: Array,
        g: Array,
        lr: Array,
        clocks: Sequence[Array],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        """w ← (1 − lr λ) w − lr m̂ / (√v̂ + ε)"""
        self._moments("adamw", w, m, v, g, lr, clocks, betas, eps, weight_decay)

    def _moments(
        self,
        name: str,
        w: Array,
        m: Array,
        v: Array,
        g: Array,
        lr: Array,
        clocks: Sequence[Array],
        betas: tuple[float, float],
        eps: float,
        decay: float,
    ) -> None:
        for clock, what in zip(clocks, CLOCKS, strict=True):
            require_shape(clock, f"{name}: {what}", ())
        one, two = betas
        self._kernels["adam_bias_correction"]((1, 1, 1), (1, 1, 1), *clocks, one, two, eps)
        self._launch(name, w, (m, v, g), lr, one, 1 - one, two, 1 - two, decay, clocks=clocks[1:])

    def _launch(
        self,
        name: str,
        w: Array,
        others: tuple[Array, ...],
        lr: Array,
        *numbers: float,
        clocks: Sequence[Array] = (),
    ) -> None:
        R, P = w.shape
        for vector in others:
            require_shape(vector, f"{name}: vectors", w.shape)
        require_shape(lr, f"{name}: lr", (R, 1))
        self._kernels[name]((blocks(P, BLOCK * ELEMENTS), R, 1), (BLOCK, 1, 1), w, *others, lr, *clocks, P, *numbers)
