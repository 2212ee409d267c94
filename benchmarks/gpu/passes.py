"""Workloads that memory limits: everything that passes over its arrays once or a few times."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.gpu.floors import Device, Floor, Workload
from benchmarks.gpu.kernels.examples import Examples
from benchmarks.gpu.kernels.reduce import Reduce
from minisgd.backend.cuda.kernels.dropout import Dropout
from minisgd.backend.cuda.kernels.fold import Fold
from minisgd.backend.cuda.kernels.gather import Gather
from minisgd.nn.cuda.kernels.activation import ACTIVATIONS, Activation
from minisgd.nn.cuda.kernels.batch_norm import BatchNorm, Ghosts
from minisgd.nn.cuda.kernels.cross_entropy import CrossEntropy
from minisgd.nn.cuda.kernels.layer_norm import LayerNorm
from minisgd.nn.cuda.kernels.pool import Pool
from minisgd.optim.cuda.kernels import Update

REAL, LONG = 4, 8
"""Bytes of a float32 and of an int64."""


def updates(device: Device, P: int) -> Iterator[Workload]:
    """Yield every optimizer on one vector of P parameters."""
    update, lr = Update(device.library), device.reals(1, 1)
    w, g, v, s = (device.reals(1, P) for _ in range(4))
    clocks = [device.xp.zeros((), np.float64) for _ in range(3)]
    runs = {
        "sgd": (lambda: update.sgd(w, g, lr), 3),
        "momentum": (lambda: update.momentum(w, v, g, lr, momentum=0.9), 5),
        "nesterov": (lambda: update.nesterov(w, v, g, lr, momentum=0.9), 5),
        "rmsprop": (lambda: update.rmsprop(w, s, g, lr), 5),
        "rmsprop_momentum": (lambda: update.rmsprop(w, s, g, lr, v=v, momentum=0.9), 7),
        "adam": (lambda: update.adam(w, v, s, g, lr, clocks), 7),
        "adamw": (lambda: update.adamw(w, v, s, g, lr, clocks), 7),
    }
    for name, (run, passes) in runs.items():
        floor = Floor(passes * REAL * P)
        counts = {"adam_bias_correction": Floor(4 * LONG)} if name.startswith("adam") else {}
        yield Workload(name, run, floor, {**counts, name: floor})


def reductions(device: Device, P: int) -> Iterator[Workload]:
    """Yield a sum, and clipping by the norm, of one vector."""
    reduce, g, out = Reduce(device.library), device.reals(1, P), device.reals(1)
    workspace, one_pass = device.reals(max(1, reduce.workspace(1, P))), Floor(REAL * P)
    yield Workload("sum", lambda: reduce.sum(g, out, workspace=workspace), one_pass, {"reduce": one_pass})
    yield Workload(
        "clip",
        lambda: reduce.clip(g, out, 1.0, workspace=workspace),
        Floor(3 * REAL * P),
        {"reduce": one_pass, "scale_rows": Floor(2 * REAL * P)},
    )


def folds(device: Device, n: int, C: int) -> Iterator[Workload]:
    """Yield the reductions of n rows of C: down the columns, as a bias gradient, and along them."""
    fold, x, y = Fold(device.library), device.reals(1, n, C), device.reals(1, n, C)
    down, along = device.reals(1, C), device.reals(n, 1)
    work, shape = device.reals(max(1, fold.workspace(1, n, C), fold.workspace(n, C, 1))), f"{n}x{C}"
    rows, position = x.reshape(n, C, 1), device.xp.zeros((n, 1), np.int64)
    flags = device.xp.zeros((1, n, C), np.bool_)
    once, twice = Floor(REAL * n * C), Floor(2 * REAL * n * C)
    for name, run, floor in (
        ("down", lambda: fold.sum(x, down, workspace=work), once),
        ("dot_down", lambda: fold.dot(x, y, down, workspace=work), twice),
        ("max_down", lambda: fold.max(x, down), once),
        ("flags_down", lambda: fold.sum(flags, down, workspace=work), Floor(n * C)),
        ("along", lambda: fold.sum(rows, along), once),
        ("argmax_along", lambda: fold.argmax(rows, position), Floor(REAL * n * C + LONG * n)),
    ):
        yield Workload(f"fold_{name}_{shape}", run, floor, {"fold": floor})


def losses(device: Device, B: int, C: int) -> Iterator[Workload]:
    """Yield both losses, and who was right, for B examples of C classes."""
    loss, examples = CrossEntropy(device.library), Examples(device.library)
    z, dz, target, value, hit = *(device.reals(1, B, C) for _ in range(3)), device.reals(1, B), device.reals(1, B)
    labels, shape = device.xp.zeros((1, B), np.int64), f"{B}x{C}"
    for name, run, floor in (
        ("cross_entropy", lambda: loss(z, labels, value, dz), Floor(B * (REAL * (2 * C + 1) + LONG))),
        ("soft_cross_entropy", lambda: loss(z, target, value, dz), Floor(B * REAL * (3 * C + 1))),
        ("hits", lambda: examples.hits(z, labels, hit), Floor(B * (REAL * (C + 1) + LONG))),
    ):
        yield Workload(f"{name} {shape}", run, floor, {name: floor})


def norms_of_examples(device: Device, B: int, F: int) -> Iterator[Workload]:
    """Yield the squared gradient norm of every example of a dense layer from F to F."""
    examples, x, dy, norm = Examples(device.library), device.reals(1, B, F), device.reals(1, B, F), device.reals(1, B)
    floor = Floor(REAL * B * (2 * F + 1))
    yield Workload(
        "example_norms", lambda: examples.squared_norms(x, dy, norm, bias=True), floor, {"example_norms": floor}
    )


def gathers(device: Device, N: int, B: int, D: int) -> Iterator[Workload]:
    """Yield the gather of a batch of images as bytes, of the same as floats, and of labels."""
    gather, index = Gather(device.library, device.address), device.xp.arange(B, dtype=np.int64) * 7919 % N
    x, labels = device.reals(B, D), device.xp.zeros(B, np.int64)
    for name, data, out, scale, row in (
        ("bytes", device.xp.zeros((N, D), np.uint8), x, 1 / 255, D * (1 + REAL)),
        ("floats", device.reals(N, D), x, 1.0, D * 2 * REAL),
        ("labels", device.xp.zeros(N, np.int64), labels, 1, 2 * LONG),
    ):
        floor = Floor(B * (row + LONG))
        yield Workload(
            f"gather {name}",
            lambda data=data, out=out, scale=scale: gather(data, index, out, scale=scale),  # type: ignore[misc]
            floor,
            {"gather": floor},
        )


def batch_norm(device: Device, n: int, C: int) -> Iterator[Workload]:
    """Yield batch normalisation of n rows of C: training forward, backward, and inference."""
    norm, ghosts = BatchNorm(device.library), Ghosts.of(n, 1, None)
    x, y, dy = (device.reals(1, n, C) for _ in range(3))
    gamma, beta, mean, inv, low, high, dgamma, dbeta = (device.reals(1, 1, C) for _ in range(8))
    workspace, one_pass = device.reals(ghosts.workspace(1, n, C)), REAL * n * C
    finish = Floor(REAL * ghosts.workspace(1, n, C))
    yield Workload(
        "batch_norm forward",
        lambda: norm.forward(
            x, gamma, beta, y, mean, inv, low, high, ghosts=ghosts, momentum=0.1, eps=1e-5, workspace=workspace
        ),
        Floor(3 * one_pass),
        {"moments": Floor(one_pass), "moments_finish": finish, "normalise": Floor(2 * one_pass)},
    )
    yield Workload(
        "batch_norm backward",
        lambda: norm.backward(x, dy, gamma, mean, inv, dgamma, dbeta, y, low, high, ghosts=ghosts, workspace=workspace),
        Floor(5 * one_pass),
        {
            "gradient_sums": Floor(2 * one_pass),
            "gradient_sums_finish": finish,
            "input_gradient": Floor(3 * one_pass),
        },
    )
    yield Workload(
        "batch_norm inference",
        lambda: norm.infer(x, gamma, beta, y, low, high, eps=1e-5),
        Floor(2 * one_pass),
        {"infer": Floor(2 * one_pass)},
    )


def layer_norm(device: Device, n: int, F: int) -> Iterator[Workload]:
    """Yield layer normalisation of n rows of F, forward and backward."""
    norm, x, y, dy = LayerNorm(device.library), *(device.reals(1, n, F) for _ in range(3))
    gamma, beta, dgamma, dbeta = (device.reals(1, 1, F) for _ in range(4))
    mean, inv, partial = device.reals(1, n), device.reals(1, n), norm.workspace(1, n, F)
    workspace, one_pass, statistics = device.reals(partial), REAL * n * F, REAL * 2 * n
    forward, sums, dx = (Floor(passes * one_pass + statistics) for passes in (2, 2, 3))
    yield Workload(
        "layer_norm forward",
        lambda: norm.forward(x, gamma, beta, y, mean, inv, eps=1e-5),
        forward,
        {"layer_norm": forward},
    )
    yield Workload(
        "layer_norm backward",
        lambda: norm.backward(x, dy, gamma, mean, inv, dgamma, dbeta, y, workspace=workspace),
        Floor(sums.bytes + dx.bytes),
        {"layer_norm_sums": sums, "layer_norm_sums_finish": Floor(REAL * partial), "layer_norm_dx": dx},
    )


def dropout(device: Device, n: int) -> Iterator[Workload]:
    """Yield dropout of n numbers, and the draw of as many."""
    drop, x, y = Dropout(device.library), device.reals(1, n), device.reals(1, n)
    seeds, clock = device.xp.zeros(1, np.uint64), device.xp.zeros((), np.int64)
    floor, write = Floor(2 * REAL * n), Floor(REAL * n)
    yield Workload("dropout", lambda: drop(x, y, seeds, clock, 0, p=0.5), floor, {"dropout": floor})
    yield Workload("draw_uniform", lambda: drop.uniform(y, seeds, clock, 0), write, {"draw_uniform": write})


def activations(device: Device, n: int) -> Iterator[Workload]:
    """Yield every activation of n numbers, forward and backward."""
    x, y, dy, dx = (device.reals(1, n) for _ in range(4))
    forward, backward = Floor(2 * REAL * n), Floor(3 * REAL * n)
    for name in ACTIVATIONS[1:]:
        act = Activation(device.library, name)
        yield Workload(name, partial(act.forward, x, y), forward, {"activation": forward})
        yield Workload(f"{name}_dx", partial(act.input_gradient, x, dy, dx), backward, {"activation_dx": backward})


def pools(device: Device, B: int, H: int, C: int) -> Iterator[Workload]:
    """Yield both poolings of windows of 2 by 2, forward and backward."""
    pool, half = Pool(device.library, (2, 2), (2, 2)), H // 2
    x, dx, y, dy = (device.reals(1, B, side, side, C) for side in (H, H, half, half))
    whole, pooled = REAL * x.size, REAL * y.size
    for name, run, floor in (
        ("max_pool", lambda: pool.max(x, y), Floor(whole + pooled)),
        ("max_pool_dx", lambda: pool.max_dx(x, dy, dx), Floor(2 * whole + pooled)),
        ("avg_pool", lambda: pool.avg(x, y), Floor(whole + pooled)),
        ("avg_pool_dx", lambda: pool.avg_dx(dy, dx), Floor(whole + pooled)),
    ):
        yield Workload(name, run, floor, {name: floor})
