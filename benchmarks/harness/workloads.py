"""What is measured: networks, data, optimizers, batch sizes and the ratios aimed at, as one table.

A workload is defined here alone, in plain numbers and NumPy arrays; every rival builds it in its own way and is
then checked to compute the same losses.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
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
    followed by batch norm, ReLU and 2×2 max-pooling   block: features D and heads of a transformer block before them,
    over the features of an example as its positions, and the mean of those   bag: words V and features D of a bag of
    embeddings before them, the mean over the words of an example   reconstructs: the targets are the inputs, by mean
    squared error   optimizer: sgd (momentum 0.9) or adam   lr: by batch size where it differs   replicas: independent
    networks with learning rates of their own   cores: that the targets are meant for
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
    block: Shape = ()
    bag: Shape = ()
    reconstructs: bool = False
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
            EAGER: {1: 3.0, 8: 2.4, 32: 1.65, 128: 1.35, 512: 1.2, 2048: 1.2},
            "jax-scan": {1: 1.0, 8: 1.2, 32: 1.0, 128: 1.1, 512: 1.15, 2048: 1.3},
        },
        **_MLP,
    ),
    Workload(
        "W1a",
        "MLP 784-256-128-10, Adam",
        batch_sizes=(32, 128, 512),
        optimizer="adam",
        lr=0.001,
        targets={EAGER: {32: 1.3, 128: 1.3, 512: 1.2}, "jax-scan": {32: 1.1, 128: 1.1, 512: 1.1}},
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
        targets={EAGER: {1: 10, 32: 8, 256: 4}, "jax-scan": {1: 1.2, 32: 1.5, 256: 1.3}},
    ),
    Workload(
        "W3",
        "CNN 28×28×1, twice conv 3×3, batch norm, ReLU, max-pool (16 and 32 channels), linear 10",
        input_shape=(28, 28, 1),
        channels=(16, 32),
        widths=(CLASSES,),
        batch_sizes=(10, 100, 500),
        lr=0.005,
        targets={EAGER: {10: 2.0, 100: 1.25, 500: 1.3}},
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
        targets={"torch-vmap": {32: 1.6}, "torch": {32: 5.0}, "jax-scan": {32: 2.0}},
    ),
    Workload(
        "W6",
        "prediction with the MLP 784-256-128-10",
        kind="predict",
        batch_sizes=(1, 1000),
        targets={EAGER: {1: 10.0, 1000: 1.05}},
        **_MLP,
    ),
    Workload(
        "W7",
        "transformer block (64 positions, 128 features, 4 heads) over the pixels of 8×8 images, mean, linear 10",
        input_shape=(64,),
        block=(128, 4),
        widths=(CLASSES,),
        batch_sizes=(1, 16, 64),
        lr=0.01,
        lr_at={1: 0.001},
        targets={EAGER: {1: 1.5, 16: 1.0, 64: 1.0}},
    ),
    Workload(
        "W8",
        "bag of embeddings (texts of 64 words, 2,002 known, 32 features), mean, linear 10",
        input_shape=(64,),
        bag=(2002, 32),
        widths=(CLASSES,),
        batch_sizes=(32,),
        targets={EAGER: {32: 3.0}},
    ),
    Workload(
        "W9",
        "autoencoder 784-128-32-128-784, ReLU between, mean squared error, SGD with momentum 0.9",
        input_shape=(784,),
        widths=(128, 32, 128, 784),
        reconstructs=True,
        batch_sizes=(32,),
        targets={EAGER: {32: 1.5}},
    ),
)

WORKLOADS = {workload.name: workload for workload in _TABLE}


def weights(workload: Workload, seed: int = 0) -> Arrays:
    """Return the initial weights by name, every array with the replica axis in front where there is one.

    dense<k>.W (I, O)   dense<k>.b (O,)   conv<k>.W (3, 3, C, O)   norm<k>.gamma, norm<k>.beta (O,)
    embed.W (1 or V, D)   place.P (T, D)   qkv, out, up, down .W (I, O) .b (O,), of attention and MLP

    In the order in which the layers run.

    He normal; γ has both signs, so that a rival whose pooling or ReLU relies on γ > 0 is found out.
    """
    rng = np.random.default_rng(seed)
    arrays: Arrays = {}

    def draw(name: str, shape: Shape, scale: float, mean: float = 0.0) -> None:
        arrays[name] = rng.normal(mean, scale, workload.lead + shape).astype(np.float32)

    def dense(name: str, fan_in: int, out: int, scale: float) -> None:
        draw(f"{name}.W", (fan_in, out), scale)
        draw(f"{name}.b", (out,), 0.01)

    def norm(k: int, c: int) -> None:
        draw(f"norm{k}.gamma", (c,), 1.0, 0.5)
        draw(f"norm{k}.beta", (c,), 0.1)

    features = int(np.prod(workload.input_shape))
    if workload.block:
        d, _ = workload.block
        dense("embed", 1, d, 1.0)
        draw("place.P", (features, d), 0.5)
        for k, parts in enumerate(({"qkv": (d, 3 * d), "out": (d, d)}, {"up": (d, 4 * d), "down": (4 * d, d)})):
            norm(k, d)
            for name, (fan_in, out) in parts.items():
                dense(name, fan_in, out, np.sqrt(1 / fan_in))
        features = d
    if workload.bag:
        draw("embed.W", workload.bag, 1.0)
        features = workload.bag[1]
    if workload.channels:
        side, _, c = workload.input_shape
        for k, out in enumerate(workload.channels):
            draw(f"conv{k}.W", (3, 3, c, out), np.sqrt(2 / (9 * c)))
            norm(k, out)
            side, c = side // 2, out
        features = side * side * c
    for k, out in enumerate(workload.widths):
        # after a convolution small: a training run in balance does not magnify what rivals round differently
        dense(f"dense{k}", features, out, np.sqrt(2 / features) * (0.2 if workload.channels else 1.0))
        features = out
    return arrays


# ---------------------------------------------------------------- data


def data(workload: Workload, source: str = "digits", n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Return x (n, *input) float32 in [0, 1] and y (n,) int64, the same for everyone who asks.

    source: "digits" (the package's, drawn with replacement, moved by up to two pixels and, for 28×28, enlarged)
    or "idx:DIR", files of 28×28 images. A bag of words has the package's docstrings, drawn with replacement: x are
    the numbers of their words, from 0 to V − 1.
    """
    if workload.bag:
        return _docstrings(workload, n)
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


def _docstrings(workload: Workload, n: int) -> tuple[np.ndarray, np.ndarray]:
    import minisgd as ms
    from minisgd.data import docstrings

    with gzip.open(Path(docstrings.__file__).with_name("docstrings.csv.gz"), "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    texts = [row["text"] for row in rows]
    (length,), known = workload.input_shape, workload.bag[0]
    lexicon = ms.text.Lexicon.fit(texts, form="sequences", most=known - 2, length=length)
    labels = np.unique([row["topic"] for row in rows], return_inverse=True)[1]
    drawn = np.random.default_rng(0).integers(len(texts), size=n)
    return lexicon.apply(texts)[drawn].astype(np.float32), labels[drawn].astype(np.int64)


def _idx(source: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    import minisgd as ms

    split = ms.load(source, validation=None).train
    if split.x.shape[1:] != (28, 28, 1):
        raise SystemExit(f"--data {source}: images must be 28×28, not {split.x.shape[1:]}")
    rows = np.random.default_rng(0).permutation(len(split.x))[:n]
    return split.x[rows, :, :, 0].astype(np.float32) / 255, split.y[rows]
