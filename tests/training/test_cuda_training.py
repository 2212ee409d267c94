"""Whole training runs on the GPU path, without a GPU: the weights are those of the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms

STEPS = 20

NETWORKS = {
    "mlp": lambda: ms.Network(ms.Linear(16), ms.ReLU(), ms.Linear(12), ms.Tanh(), ms.Linear(3)),
    "cnn": lambda: ms.Network(
        ms.Conv2d(4, 3, bias=False),
        ms.BatchNorm(),
        ms.ReLU(),
        ms.MaxPool2d(2),
        ms.Flatten(),
        ms.Dropout(0.3),
        ms.Linear(3),
    ),
}
OPTIMIZERS = {
    "momentum": lambda: ms.SGD(lr=0.05, momentum=0.9),
    "adam": lambda: ms.Adam(lr=0.01),
    "lamb": lambda: ms.LAMB(lr=0.01),
    "lion": lambda: ms.Lion(lr=0.001),
    "muon": lambda: ms.Muon(lr=0.01),
    "schedule-free": lambda: ms.ScheduleFreeAdamW(lr=0.01),
}


def images(n: int = 37) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, n)
    x = generator.normal(0, 1, (n, 8, 8, 1)) + y[:, None, None, None] * 0.5
    return x.astype("float32"), y


def data(name: str) -> ms.Dataset:
    x, y = images()
    return ms.Dataset.from_arrays(x if name == "cnn" else x.reshape(len(x), -1), y, validation=0.1, seed=0)


def trained(name: str, device: str, optimizer: str, dtype: str) -> np.ndarray:
    run = ms.train(
        NETWORKS[name](), data(name), optimizer=OPTIMIZERS[optimizer](), batch_size=8, steps=STEPS, seed=0,
        device=device, dtype=dtype,
    )  # fmt: skip
    return run.network.ops.to_host(run.network.vector), run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_those_of_the_cpu(fake_cupy, name, optimizer, dtype):
    expected, _ = trained(name, "cpu", optimizer, dtype)
    found, run = trained(name, "cuda", optimizer, dtype)
    tolerance = 1e-5 if dtype == "float32" else 1e-9
    assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
