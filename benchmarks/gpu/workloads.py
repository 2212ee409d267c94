"""Every kernel at the size it was written for, launched as in training; the products first."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.gpu import passes, products
from benchmarks.gpu.floors import Device, Workload


def workloads(device: Device) -> Iterator[Workload]:
    """Yield every workload at its natural size, one at a time; arrays live as long as their family is in turn."""
    yield from products.dense(device, R=64, B=128, I=512, O=512)
    yield from products.dense(device, R=1, B=4096, I=4096, O=4096)
    yield from products.dense(device, R=1, B=2048, I=2048, O=2048)
    yield from products.dense(device, R=1, B=32, I=4096, O=128)  # few results, long sums: split
    yield from products.dense(device, R=1, B=32, I=128, O=4096)
    yield from products.dense(device, R=1, B=8192, I=128, O=128)
    yield from products.images(device, B=256)
    yield from passes.updates(device, P=1 << 24)
    yield from passes.reductions(device, P=1 << 24)
    yield from passes.folds(device, n=1 << 16, C=256)
    yield from passes.losses(device, B=1 << 16, C=10)
    yield from passes.losses(device, B=1 << 16, C=1000)
    yield from passes.norms_of_examples(device, B=1 << 16, F=512)
    yield from passes.gathers(device, N=60_000, B=8192, D=784)
    yield from passes.batch_norm(device, n=1 << 16, C=256)
    yield from passes.layer_norm(device, n=1 << 16, F=256)
    yield from passes.dropout(device, n=1 << 24)
    yield from passes.activations(device, n=1 << 24)
    yield from passes.pools(device, B=256, H=28, C=32)
    yield from products.ladder(device, N=2048)


def miniatures(device: Device) -> Iterator[Workload]:
    """Yield the same workloads small enough for an emulator."""
    yield from products.dense(device, R=2, B=8, I=32, O=32)
    yield from products.dense(device, R=1, B=2, I=512, O=4)
    yield from products.dense(device, R=1, B=2, I=4, O=512)
    yield from products.dense(device, R=1, B=512, I=4, O=4)
    yield from products.images(device, B=1)
    yield from passes.updates(device, P=4097)
    yield from passes.reductions(device, P=8193)
    yield from passes.folds(device, n=40, C=8)
    yield from passes.losses(device, B=32, C=10)
    yield from passes.norms_of_examples(device, B=8, F=33)
    yield from passes.gathers(device, N=20, B=8, D=64)
    yield from passes.batch_norm(device, n=64, C=16)
    yield from passes.layer_norm(device, n=64, F=33)
    yield from passes.dropout(device, n=1000)
    yield from passes.activations(device, n=1000)
    yield from passes.pools(device, B=1, H=8, C=4)
    yield from products.ladder(device, N=32)
