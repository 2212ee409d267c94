"""Workloads that arithmetic limits: dense layers, convolution, the ladder, and the same products by cuBLAS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.gpu.floors import Device, Floor, Workload
from benchmarks.gpu.kernels.ladder import RUNGS, multiply
from minisgd.backend.cuda.kernels.affine import Affine
from minisgd.backend.cuda.kernels.tiles import Cut, choose_cut
from minisgd.nn.cuda.kernels import conv as convolution
from minisgd.nn.cuda.kernels.conv import Conv, Geometry


def dense(device: Device, R: int, B: int, I: int, O: int) -> Iterator[Workload]:  # noqa: E741
    """Yield the three products of a dense layer; a small product with a long sum is split over blocks."""
    affine = Affine(device.library, device.address, device.multiprocessors)
    x, dx, y, dy = device.reals(R, B, I), device.reals(R, B, I), device.reals(R, B, O), device.reals(R, B, O)
    W, dW, b, db = device.reals(R, I, O), device.reals(R, I, O), device.reals(R, 1, O), device.reals(R, 1, O)
    workspace = device.reals(max(1, affine.workspace(R, B, I, O)))
    floor, shape = Floor(flop=2 * R * B * I * O), f"{R}x{B}x{I}x{O}"

    cut = choose_cut(R, B, O, I, device.multiprocessors)
    yield Workload(
        f"affine {shape}",
        lambda cut=cut: affine.forward(x, W, b, y, activation="relu", workspace=workspace, cut=cut),  # type: ignore[misc]
        floor,
        _with_finish("affine", floor, cut, R * B * O),
    )
    cut = choose_cut(R, B, I, O, device.multiprocessors)
    yield Workload(
        f"affine_dx {shape}",
        lambda cut=cut: affine.input_gradient(dy, W, dx, x=x, activation="relu", workspace=workspace, cut=cut),  # type: ignore[misc]
        floor,
        _with_finish("affine_dx", floor, cut, R * B * I, also=R * B * I),
    )
    cut = choose_cut(R, I, O, B, device.multiprocessors)
    yield Workload(
        f"affine_dW {shape}",
        lambda cut=cut: affine.weight_gradient(x, dy, dW, db, workspace=workspace, cut=cut),  # type: ignore[misc]
        floor,
        _with_finish("affine_dW", floor, cut, R * (I + 1) * O),
    )


def _with_finish(kernel: str, floor: Floor, cut: Cut, results: int, also: int = 0) -> dict[str, Floor]:
    """Add the kernel that sums the splits: it reads as many partial results, and `also`, for each result."""
    finish = {f"{kernel}_finish": Floor(4 * ((cut.splits + 1) * results + also))} if cut.splits > 1 else {}
    return {kernel: floor, **finish}


def images(device: Device, B: int) -> Iterator[Workload]:
    """Yield the three products of a convolution."""
    geometry = Geometry((28, 28, 16), 32, (3, 3), padding=(1, 1))
    conv = Conv(device.library, geometry, device.multiprocessors)
    (OH, OW, O), (KH, KW, C, _) = geometry.output, geometry.weights  # noqa: E741
    M, pixels = KH * KW * C, B * OH * OW
    x, dx, y, dy = (device.reals(1, B, *shape) for shape in (geometry.image,) * 2 + (geometry.output,) * 2)
    W, dW = device.reals(1, *geometry.weights), device.reals(1, *geometry.weights)
    b, db = device.reals(1, 1, O), device.reals(1, 1, O)
    floor = Floor(flop=2 * pixels * O * M)
    yield Workload("conv", lambda: conv.forward(x, W, b, y), floor, {"conv": floor})
    yield Workload("conv_dx", lambda: conv.input_gradient(dy, W, dx), floor, {"conv_dx": floor})

    cut = choose_cut(1, M, O, pixels, device.multiprocessors, tiles=convolution.TILES)
    workspace, results = device.reals(cut.splits * (M + 1) * O), (M + 1) * O
    finish = {"affine_dW_finish": Floor(4 * (cut.splits + 1) * results)} if cut.splits > 1 else {}
    yield Workload(
        "conv_dW",
        lambda: conv.weight_gradient(x, dy, dW, db, workspace=workspace, cut=cut),
        floor,
        {"conv_dW": floor, **finish},
    )


def ladder(device: Device, N: int) -> Iterator[Workload]:
    """Yield the same square product by every rung of the ladder."""
    a, b, c, floor = device.reals(N, N), device.reals(N, N), device.reals(N, N), Floor(flop=2 * N**3)
    for rung in RUNGS:
        yield Workload(
            f"ladder {rung.file} {N}",
            lambda rung=rung: multiply(device.library, rung, a, b, c, device.address),  # type: ignore[misc]
            floor,
            {rung.definition.name: floor},
        )


def cublas(cupy: Any) -> Iterator[Workload]:
    """Yield products of this file by cuBLAS: alone, and with bias and activation after it."""
    for R, B, I in ((64, 128, 512), (1, 2048, 2048), (1, 4096, 4096)):  # noqa: E741
        x, W, y, b = (cupy.ones(shape, np.float32) for shape in ((R, B, I), (R, I, I), (R, B, I), (R, 1, I)))

        def product(x: Any = x, W: Any = W, y: Any = y) -> None:
            cupy.matmul(x, W, out=y)

        def layer(x: Any = x, W: Any = W, y: Any = y, b: Any = b) -> None:
            cupy.matmul(x, W, out=y)
            cupy.add(y, b, out=y)
            cupy.maximum(y, 0, out=y)

        floor, shape = Floor(flop=2 * R * B * I * I), f"{R}x{B}x{I}x{I}"
        yield Workload(f"cublas {shape}", product, floor)
        yield Workload(f"cublas, bias, relu {shape}", layer, floor)
