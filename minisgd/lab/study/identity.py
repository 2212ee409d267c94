"""What a result depends on, as digests: a journal goes on only where all of it is the same."""

from __future__ import annotations

import hashlib

import numpy as np

from minisgd.data import Dataset
from minisgd.lab.trial import Trial
from minisgd.nn.sequential import clone
from minisgd.training.digest import settings_of

ROWS = 4096
"""Rows hashed at a time: a memory-mapped data set need not fit into memory."""


def fingerprint(data: Dataset) -> str:
    """Return a digest of every row of x and y and every weight, in all splits."""
    digest = hashlib.sha256(f"{data.describe()} {data.scale!r}".encode())
    for name, split in data.splits.items():
        digest.update(name.encode())
        for array in (split.x, split.y, split.weight):
            if array is None:
                digest.update(b"none")
                continue
            digest.update(f"{array.dtype.str} {array.shape}".encode())
            for start in range(0, len(array), ROWS):
                digest.update(np.ascontiguousarray(array[start : start + ROWS]).tobytes())
    return f"{data.name} {digest.hexdigest()[:16]}"


def initial_weights(trial: Trial) -> str:
    """Return a digest of the weights that seed 0 draws: how a model begins is not in how it is written."""
    network = trial.prepare(1, [0]).recipe.network
    return hashlib.sha256(network.ops.to_host(network.vector).tobytes()).hexdigest()[:16]


def network_settings(trial: Trial) -> str:
    """Return a digest of the layers' settings and arrays, without the weights of a network that is built."""
    network = trial.network
    return settings_of(clone(network) if getattr(network, "is_built", False) else network)
