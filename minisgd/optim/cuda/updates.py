"""Optimizers whose update is one kernel: one launch over all parameters of all replicas, one pass over memory."""

from __future__ import annotations

from collections.abc import Callable

from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.dispatch import tuned
from minisgd.optim.adagrad import Adagrad
from minisgd.optim.adam import Adam
from minisgd.optim.adamw import AdamW
from minisgd.optim.cuda.kernels import Update
from minisgd.optim.optimizer import UpdateBuffers
from minisgd.optim.rmsprop import RMSProp
from minisgd.optim.sgd import SGD
from minisgd.typing import Array


@tuned("cuda", SGD, "move")
def sgd(self: SGD, ops: CupyVocabulary, b: UpdateBuffers) -> None:
    update, decay = _update(ops, b), self.weight_decay
    w, g, lr = _rows(b.w, b.g, b.lr)

    def emit() -> None:
        if not self.momentum:
            update.sgd(w, g, lr, weight_decay=decay)
            return
        (v,) = _rows(b.slots["velocity"])
        rule = update.nesterov if self.nesterov else update.momentum
        rule(w, v, g, lr, momentum=self.momentum, weight_decay=decay)

    _launch(ops, b, emit)


@tuned("cuda", RMSProp, "move")
def rmsprop(self: RMSProp, ops: CupyVocabulary, b: UpdateBuffers) -> None:
    w, s, g, lr = _rows(b.w, b.slots["mean_square"], b.g, b.lr)
    v = _rows(b.slots["velocity"])[0] if self.momentum else None
    options = {"alpha": self.alpha, "eps": self.eps, "momentum": self.momentum, "weight_decay": self.weight_decay}
    _launch(ops, b, lambda: _update(ops, b).rmsprop(w, s, g, lr, v=v, **options))


@tuned("cuda", Adagrad, "move")
def adagrad(self: Adagrad, ops: CupyVocabulary, b: UpdateBuffers) -> None:
    w, s, g, lr = _rows(b.w, b.slots["sum_of_squares"], b.g, b.lr)
    _launch(ops, b, lambda: _update(ops, b).adagrad(w, s, g, lr, eps=self.eps, weight_decay=self.weight_decay))


@tuned("cuda", Adam, "move")
@tuned("cuda", AdamW, "move")
def adam(self: Adam, ops: CupyVocabulary, b: UpdateBuffers) -> None:
    update, clocks = _update(ops, b), [b.clocks[name] for name in self.clocks]
    w, m, v, g, lr = _rows(b.w, b.slots["m"], b.slots["v"], b.g, b.lr)
    rule = update.adamw if isinstance(self, AdamW) else update.adam
    _launch(
        ops,
        b,
        lambda: rule(w, m, v, g, lr, clocks, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay),
    )


def _update(ops: CupyVocabulary, b: UpdateBuffers) -> Update:
    update: Update = ops.family(Update, b.w.dtype)
    return update


def _rows(*vectors: Array) -> list[Array]:
    """Return vectors (…, P) as (R, P)."""
    return [vector.reshape(-1, vector.shape[-1]) for vector in vectors]


def _launch(ops: CupyVocabulary, b: UpdateBuffers, emit: Callable[[], object]) -> None:
    ops.launch("update", emit, (b.w, b.g, b.lr, *b.slots.values()), b.w)
