"""The table of optimizers, and a bench to run them on: a row here brings every test of the contract."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisgd.backend import Arena, NumpyOps, Plan, Program
from minisgd.nn.layout import Layout
from minisgd.optim import LAMB, LARS, SGD, Adagrad, Adam, AdamW, Optimizer, RMSProp, UpdateBuffers

OPTIMIZERS: dict[str, Optimizer] = {
    "SGD": SGD(0.1),
    "SGD decay": SGD(0.1, weight_decay=0.01),
    "SGD momentum": SGD(0.05, momentum=0.9, weight_decay=0.01),
    "SGD Nesterov": SGD(0.05, momentum=0.9, nesterov=True),
    "Adagrad": Adagrad(0.1, weight_decay=0.01),
    "RMSProp": RMSProp(0.01, weight_decay=0.01),
    "RMSProp momentum": RMSProp(0.01, momentum=0.9),
    "Adam": Adam(0.01),
    "Adam decay": Adam(0.01, weight_decay=0.01),
    "AdamW": AdamW(0.01, weight_decay=0.1),
    "LARS": LARS(0.5, weight_decay=0.01),
    "LARS without momentum": LARS(0.5, momentum=0.0),
    "LAMB": LAMB(0.01, weight_decay=0.1),
}

LAYOUT = Layout(
    [("1.W", (7, 5), "weight"), ("1.b", (5,), "bias"), ("2.scale", (5,), "norm"), ("3.W", (5, 3), "weight")]
)


@dataclass
class Bench:
    """An optimizer attached to arrays of its own."""

    ops: NumpyOps
    arena: Arena
    buffers: UpdateBuffers
    program: Program
    w: np.ndarray
    g: np.ndarray
    lr: np.ndarray


def bench(optimizer: Optimizer, layout: Layout = LAYOUT, lead=(), dtype="float64", lr=None) -> Bench:
    """Attach an optimizer to new arrays: w and g zero, lr as given or the optimizer's own."""
    ops = NumpyOps()
    arena = Arena(ops, Plan(optimizer.requests(layout, dtype)), lead)
    w, g = np.zeros((*lead, layout.size), dtype), np.zeros((*lead, layout.size), dtype)
    rate = np.zeros((*lead, 1), dtype)
    rate[...] = optimizer.lr if lr is None else lr
    buffers = optimizer.buffers(arena, layout, w, g, rate)
    with ops.record() as program:
        optimizer.step(ops, buffers)
    return Bench(ops, arena, buffers, program, w, g, rate)


def vector(n: int) -> Layout:
    """A layout of one weight vector."""
    return Layout([("w", (n,), "weight")])


def slope(w: np.ndarray, step: int) -> np.ndarray:
    """A gradient that depends on the weights and the step, the same for every replica."""
    noise = np.random.default_rng(step).normal(size=w.shape[-1]).astype(w.dtype)
    return np.sin(3 * w) + w + noise
