"""The table of optimizers, and a bench to run them on: a row here brings every test of the contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minisgd.backend import Arena, NumpyOps, Plan, Program
from minisgd.nn.layout import Layout
from minisgd.optim import (
    LAMB,
    LARS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Group,
    Lion,
    Muon,
    Optimizer,
    RMSProp,
    ScheduleFreeAdamW,
    ScheduleFreeSGD,
    SignSGD,
    UpdateBuffers,
)


@dataclass(frozen=True)
class OptimizerRow:
    """An optimizer, and its name and options in torch.optim; an empty name where PyTorch has none."""

    optimizer: Optimizer
    torch: str
    options: dict[str, Any] = field(default_factory=dict)


ROWS: dict[str, OptimizerRow] = {
    "SGD": OptimizerRow(SGD(0.1), "SGD", dict(lr=0.1)),
    "SGD decay": OptimizerRow(SGD(0.1, weight_decay=0.01), "SGD", dict(lr=0.1, weight_decay=0.01)),
    "SGD momentum": OptimizerRow(
        SGD(0.05, momentum=0.9, weight_decay=0.01), "SGD", dict(lr=0.05, momentum=0.9, weight_decay=0.01)
    ),
    "SGD Nesterov": OptimizerRow(
        SGD(0.05, momentum=0.9, nesterov=True), "SGD", dict(lr=0.05, momentum=0.9, nesterov=True)
    ),
    "SGD Nesterov decay": OptimizerRow(
        SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.05),
        "SGD",
        dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.05),
    ),
    "Adagrad": OptimizerRow(Adagrad(0.1, weight_decay=0.01), "Adagrad", dict(lr=0.1, weight_decay=0.01)),
    "Adagrad as it comes": OptimizerRow(Adagrad(), "Adagrad"),
    "RMSProp": OptimizerRow(RMSProp(0.01, weight_decay=0.01), "RMSprop", dict(lr=0.01, weight_decay=0.01)),
    "RMSProp as it comes": OptimizerRow(RMSProp(), "RMSprop"),
    "RMSProp momentum": OptimizerRow(
        RMSProp(0.01, alpha=0.9, momentum=0.5, weight_decay=0.05),
        "RMSprop",
        dict(lr=0.01, alpha=0.9, momentum=0.5, weight_decay=0.05),
    ),
    "Adam": OptimizerRow(Adam(0.01), "Adam", dict(lr=0.01)),
    "Adam as it comes": OptimizerRow(Adam(), "Adam"),
    "Adam decay": OptimizerRow(
        Adam(0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.05),
        "Adam",
        dict(lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.05),
    ),
    "AdamW": OptimizerRow(AdamW(0.01, weight_decay=0.1), "AdamW", dict(lr=0.01, weight_decay=0.1)),
    "AdamW as it comes": OptimizerRow(AdamW(), "AdamW"),
    "LARS": OptimizerRow(LARS(0.5, weight_decay=0.01), ""),
    "LARS of groups": OptimizerRow(LARS(0.5, weight_decay=0.01, groups={"*": Group(lr_factor=2)}), ""),
    "LARS without momentum": OptimizerRow(LARS(0.5, momentum=0.0), ""),
    "LAMB": OptimizerRow(LAMB(0.01, weight_decay=0.1), ""),
    "SignSGD": OptimizerRow(SignSGD(0.01), ""),
    "SignSGD momentum": OptimizerRow(SignSGD(0.01, momentum=0.9, weight_decay=0.1), ""),
    "Lion": OptimizerRow(Lion(0.01, weight_decay=0.1), ""),
    "ScheduleFreeSGD": OptimizerRow(ScheduleFreeSGD(0.1, weight_decay=0.01), ""),
    "ScheduleFreeAdamW": OptimizerRow(ScheduleFreeAdamW(0.01, weight_decay=0.1), ""),
    "Muon": OptimizerRow(Muon(0.01, weight_decay=0.1), ""),
}

OPTIMIZERS: dict[str, Optimizer] = {name: row.optimizer for name, row in ROWS.items()}

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
