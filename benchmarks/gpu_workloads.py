"""The kernels at the sizes they were written for, each with the least that it must move or compute.

A workload is launched through the same class as in training. Its floor is in bytes for a kernel that memory
limits and in floating-point operations for a product; the larger share of the device's peak counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisgd.backend.kernel_library.affine import Affine
from minisgd.backend.kernel_library.batch_norm import BatchNorm, Ghosts
from minisgd.backend.kernel_library.conv import Conv, Geometry
from minisgd.backend.kernel_library.cross_entropy import CrossEntropy
from minisgd.backend.kernel_library.dropout import Dropout
from minisgd.backend.kernel_library.gather import Gather
from minisgd.backend.kernel_library.layer_norm import LayerNorm
from minisgd.backend.kernel_library.pool import Pool
from minisgd.backend.kernel_library.reduce import Reduce
from minisgd.backend.kernel_library.update import Update
from minisgd.backend.kernels import KernelLibrary
from minisgd.typing import Array


@dataclass(frozen=True)
class Workload:
    """A launch, and its floor in bytes or in floating-point operations."""

    name: str
    launch: Callable[[], None]
    bytes: int = 0
    flop: int = 0


@dataclass(frozen=True)
class Device:
    """What workloads need to know of a device: its array module, its kernels, and how to find an array."""

    xp: Any
    library: KernelLibrary
    address: Callable[[Array], int]
    multiprocessors: int

    def empty(self, *shape: int, dtype: Any = np.float32) -> Array:
        array: Array = self.xp.ones(shape, dtype)
        return array


def workloads(device: Device, scale: int = 1) -> Iterator[Workload]:
    """Return every workload, one at a time, its sizes divided by `scale`; arrays live as long as their workload."""
    yield from _updates(device, P=(1 << 24) // scale)
    yield from _losses(device, B=(1 << 16) // scale, C=10)
    yield from _gather(device, N=10_000 // scale, B=8192 // scale, D=784)
    yield from _products(device, R=64 // min(scale, 64), B=128 // min(scale, 4), I=512 // min(scale, 16))
    if scale == 1:
        yield from _products(device, R=1, B=4096, I=4096)
    yield from _norms(device, n=(1 << 16) // scale, C=256)
    yield from _images(device, B=256 // min(scale, 128))


def _updates(device: Device, P: int) -> Iterator[Workload]:
    update, lr = Update(device.library), device.empty(1, 1)
    w, g, v, s = (device.empty(1, P) for _ in range(4))
    clock, moments_clock = device.xp.zeros(1, np.float64), device.xp.zeros(3, np.float64)
    yield Workload("sgd", lambda: update.sgd(w, g, lr, clock), bytes=12 * P)
    yield Workload("momentum", lambda: update.momentum(w, v, g, lr, clock, momentum=0.9), bytes=20 * P)
    yield Workload("adam", lambda: update.adam(w, v, s, g, lr, moments_clock), bytes=28 * P)
    reduce = Reduce(device.library)
    total, workspace = device.empty(1), device.empty(max(1, reduce.workspace(1, P)))
    yield Workload("sum", lambda: reduce.sum(g, total, workspace=workspace), bytes=4 * P)


def _losses(device: Device, B: int, C: int) -> Iterator[Workload]:
    loss, z, dz, values = CrossEntropy(device.library), device.empty(1, B, C), device.empty(1, B, C), device.empty(1, B)
    labels = device.xp.zeros((1, B), np.int64)
    yield Workload("cross_entropy", lambda: loss(z, labels, values, dz), bytes=B * (8 * C + 12))


def _gather(device: Device, N: int, B: int, D: int) -> Iterator[Workload]:
    gather, data, x = Gather(device.library, device.address), device.empty(N, D, dtype=np.uint8), device.empty(B, D)
    index = device.xp.arange(B, dtype=np.int64) * 7919 % N
    yield Workload("gather", lambda: gather(data, index, x, scale=1 / 255), bytes=B * (5 * D + 8))


def _products(device: Device, R: int, B: int, I: int) -> Iterator[Workload]:  # noqa: E741
    affine = Affine(device.library, device.address, device.multiprocessors)
    x, dy, dx = (device.empty(R, B, I) for _ in range(3))
    W, dW, b, db = device.empty(R, I, I), device.empty(R, I, I), device.empty(R, 1, I), device.empty(R, 1, I)
    room = affine.workspace(R, B, I, I)
    workspace = device.empty(room) if room else None
    flop, shape = 2 * R * B * I * I, f"{R}x{B}x{I}x{I}"
    yield Workload(
        f"affine {shape}",
        lambda: affine.forward(x, W, b, dy, activation="relu", workspace=workspace),
        flop=flop,
    )
    yield Workload(
        f"affine_dx {shape}",
        lambda: affine.input_gradient(dy, W, dx, x=x, activation="relu", workspace=workspace),
        flop=flop,
    )
    yield Workload(f"affine_dW {shape}", lambda: affine.weight_gradient(x, dy, dW, db, workspace=workspace), flop=flop)


def _norms(device: Device, n: int, C: int) -> Iterator[Workload]:
    norm, ghosts = BatchNorm(device.library), Ghosts.of(n, 1, None)
    x, y = device.empty(1, n, C), device.empty(1, n, C)
    gamma, beta, mean, inv, low, high = (device.empty(1, 1, C) for _ in range(6))
    workspace = device.empty(ghosts.workspace(1, n, C))
    yield Workload(
        "batch_norm forward",
        lambda: norm.forward(
            x, gamma, beta, y, mean, inv, low, high, ghosts=ghosts, momentum=0.1, eps=1e-5, workspace=workspace
        ),
        bytes=12 * n * C,
    )
    yield Workload(
        "batch_norm backward",
        lambda: norm.backward(x, y, gamma, mean, inv, None, None, y, low, high, ghosts=ghosts, workspace=workspace),
        bytes=20 * n * C,
    )
    rows, means, scales = LayerNorm(device.library), device.empty(1, n), device.empty(1, n)
    yield Workload(
        "layer_norm", lambda: rows.forward(x, gamma, beta, y, means, scales, eps=1e-5), bytes=n * (8 * C + 8)
    )
    dropout, seeds = Dropout(device.library), device.xp.zeros(1, np.uint64)
    clock = device.xp.zeros((), np.int64)
    yield Workload("dropout", lambda: dropout(x, y, seeds, clock, 0, p=0.5), bytes=8 * n * C)


def _images(device: Device, B: int) -> Iterator[Workload]:
    geometry = Geometry((28, 28, 16), 32, (3, 3), padding=(1, 1))
    conv = Conv(device.library, geometry, device.multiprocessors)
    (OH, OW, O), (KH, KW, C, _) = geometry.output, geometry.weights  # noqa: E741
    x, y, W, b = (
        device.empty(1, B, 28, 28, C),
        device.empty(1, B, OH, OW, O),
        device.empty(1, *geometry.weights),
        device.empty(1, 1, O),
    )
    yield Workload("conv", lambda: conv.forward(x, W, b, y), flop=2 * B * OH * OW * O * KH * KW * C)
    pool, pooled = Pool(device.library, (2, 2), (2, 2)), device.empty(1, B, OH // 2, OW // 2, O)
    yield Workload("max_pool", lambda: pool.max(y, pooled), bytes=5 * B * OH * OW * O)
