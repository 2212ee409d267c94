"""What is measured: networks, data, optimizers, batch sizes and the ratios aimed at, as one table.

A workload is defined here alone, in plain numbers and NumPy arrays; every rival builds it in its own way and is
then checked to compute the same losses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

N = 8000
"""Training examples."""

CLASSES = 10

EAGER = "torch-eager"
"""The reference of all ratios: the fastest of PyTorch's eager forms in the same run."""

Shape = tuple[int, ...]
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Workload:
    """One row of the table.

    widths: features of the dense layers, ReLU between them   channels: of the 3×3 convolutions before them, each
    followed by batch norm, ReLU and 2×2 max-pooling   optimizer: sgd (momentum 0.9) or adam   lr: by batch size where
    it differs   replicas: independent networks with learning rates of their own   cores: that the targets are meant for
    targets: {rival: {batch size: how many times its examples per second}}
    """

    name: str
    title: str
    input_shape: Shape
    widths: Shape
    batch_sizes: Shape
    targets: Mapping[str, Mapping[int, float]]
    kind: Literal["train", "stack", "predict"] = "train"
    channels: Shape = ()
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: float = 0.05
    lr_at: Mapping[int, float] = field(default_factory=dict)
    replicas: int = 1
    cores: int = 1
    momentum: float = 0.9

    def learning_rate(self, batch_size: int) -> float:
        """Return the learning rate at a batch size: one at which training goes well."""
        return self.lr_at.get(batch_size, self.lr)

    def learning_rates(self) -> np.ndarray:
        """Return the learning rates of the replicas, (R,) float32."""
        return np.geomspace(0.005, 0.2, self.replicas).astype(np.float32)

    @property
    def lead(self) -> Shape:
        """The replica axis, () for a single network."""
        return (self.replicas,) if self.kind == "stack" else ()

    def target(self, rival: str, batch_size: int) -> float | None:
        """Return the ratio aimed at against a rival, if there is one."""
        return self.targets.get(rival, {}).get(batch_size)


_MLP = {"input_shape": (784,), "widths": (256, 128, CLASSES), "lr_at": {1: 0.002, 8: 0.01}}

_TABLE = (
    Workload(
        "W1",
        "MLP 784-256-128-10, SGD with momentum 0.9",
        batch_sizes=(1, 8, 32, 128, 512, 2048),
        targets={
            EAGER: {1: 3.0, 8: 2.4, 32: 1.65, 128: 1.35, 512: 1.2, 2048: 1.15},
            "jax-scan": {32: 0.95, 128: 0.95, 512: 1.0, 2048: 1.0},
        },
        **_MLP,
    ),
    Workload(
        "W1a",
        "MLP 784-256-128-10, Adam",
        batch_sizes=(32, 128, 512),
        optimizer="adam",
        lr=0.001,
        targets={EAGER: {32: 1.3, 128: 1.3, 512: 1.2}},
        input_shape=(784,),
        widths=(256, 128, CLASSES),
    ),
    Workload(
        "W2",
        "MLP 64-32-10, SGD with momentum 0.9",
        input_shape=(64,),
        widths=(32, CLASSES),
        batch_sizes=(1, 32, 256),
        lr_at={1: 0.002},
        targets={EAGER: {1: 10, 32: 8, 256: 4}},
    ),
    Workload(
        "W3",
        "CNN 28×28×1, twice conv 3×3, batch norm, ReLU, max-pool (16 and 32 channels), linear 10",
        input_shape=(28, 28, 1),
        channels=(16, 32),
        widths=(CLASSES,),
        batch_sizes=(10, 100, 500),
        lr=0.005,
        targets={EAGER: {10: 1.15, 100: 1.0, 500: 1.25}},
    ),
    Workload(
        "W5",
        "32 replicas of an MLP 784-64-10, each with its own learning rate and seed",
        kind="stack",
        replicas=32,
        input_shape=(784,),
        widths=(64, CLASSES),
        batch_sizes=(32,),
        cores=2,
        targets={"torch-vmap": {32: 1.6}, "torch": {32: 5.0}, "jax-scan": {32: 1.1}},
    ),
    Workload(
        "W6",
        "prediction with the MLP 784-256-128-10",
        kind="predict",
        batch_sizes=(1, 1000),
        targets={EAGER: {1: 2.3, 1000: 1.0}},
        **_MLP,
    ),
)

WORKLOADS = {workload.name: workload for workload in _TABLE}


def weights(workload: Workload, seed: int = 0) -> Arrays:
    """Return the initial weights by name, every array with the replica axis in front where there is one.

    dense<k>.W (I, O)   dense<k>.b (O,)   conv<k>.W (3, 3, C, O)   norm<k>.gamma, norm<k>.beta (O,)

    He normal; γ has both signs, so that a rival whose pooling or ReLU relies on γ > 0 is found out.
    """
    rng = np.random.default_rng(seed)
    arrays: Arrays = {}

    def draw(name: str, shape: Shape, scale: float, mean: float = 0.0) -> None:
        arrays[name] = rng.normal(mean, scale, workload.lead + shape).astype(np.float32)

    features = int(np.prod(workload.input_shape))
    if workload.channels:
        side, _, c = workload.input_shape
        for k, out in enumerate(workload.channels):
            draw(f"conv{k}.W", (3, 3, c, out), np.sqrt(2 / (9 * c)))
            draw(f"norm{k}.gamma", (out,), 1.0, 0.5)
            draw(f"norm{k}.beta", (out,), 0.1)
            side, c = side // 2, out
        features = side * side * c
    for k, out in enumerate(workload.widths):
        # after a convolution small: a training run in balance does not magnify what rivals round differently
        draw(f"dense{k}.W", (features, out), np.sqrt(2 / features) * (0.2 if workload.channels else 1.0))
        draw(f"dense{k}.b", (out,), 0.01)
        features = out
    return arrays


# ---------------------------------------------------------------- data


def data(workload: Workload, source: str = "digits", n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Return x (n, *input) float32 in [0, 1] and y (n,) int64, the same for everyone who asks.

    source: "digits" (the package's, drawn with replacement, moved by up to two pixels and, for 28×28, enlarged)
    or "idx:DIR", files of 28×28 images.
    """
    images, y = _digits(n) if source == "digits" else _idx(source, n)
    if workload.input_shape == (64,):
        # 28×28 with a rim of two, averaged over squares of 4×4
        images = np.pad(images, ((0, 0), (2, 2), (2, 2))).reshape(-1, 8, 4, 8, 4).mean((2, 4))
    return np.ascontiguousarray(images.reshape(-1, *workload.input_shape), np.float32), y


def _digits(n: int) -> tuple[np.ndarray, np.ndarray]:
    from minisgd.data.digits import digits

    split = digits(validation=None, images=True).train
    rng = np.random.default_rng(0)
    rows = rng.integers(len(split.x), size=n)
    large = np.pad(split.x[rows, :, :, 0].repeat(3, 1).repeat(3, 2), ((0, 0), (2, 2), (2, 2)))
    moves = rng.integers(-2, 3, size=(n, 2))
    moved = np.stack([np.roll(image, move, (0, 1)) for image, move in zip(large, moves, strict=True)])
    return moved.astype(np.float32) / 16, split.y[rows]


def _idx(source: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    import minisgd as ms

    split = ms.load(source, validation=None).train
    if split.x.shape[1:] != (28, 28, 1):
        raise SystemExit(f"--data {source}: images must be 28×28, not {split.x.shape[1:]}")
    rows = np.random.default_rng(0).permutation(len(split.x))[:n]
    return split.x[rows, :, :, 0].astype(np.float32) / 255, split.y[rows]
