"""Every layer in a training run, by the table of layers: planned memory, micro-batches, explain, Hessian products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.lab.instruments.objective import Objective
from minisgd.training.prepare import prepare
from tests.nn.layer_tables import CASES, LAYERS

SHAPES = {"features": (6,), "sequences": (3, 6), "images": (5, 6, 2)}
N, B = 12, 8


def make(name: str, kind: str) -> tuple[ms.Network, ms.Dataset]:
    row, shape, rng = LAYERS[name], SHAPES[kind], np.random.default_rng(len(name))
    x = row.draw(rng, (N, *shape))
    data = ms.Dataset.from_arrays(x, np.arange(N) % 3, validation=None, task="classification", scale=1.0)
    return ms.Network(row.make(shape), ms.Flatten(), ms.Linear(3, name="out")), data


def draws(network: ms.Network, shape: tuple[int, ...]) -> bool:
    """Tell whether a layer draws random numbers: then those of micro-batches are others."""
    return any(leaf.declaration.clock for leaf in network.describe(shape))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_memory_is_planned_and_micro_batches_add_up(name: str, kind: str) -> None:
    network, data = make(name, kind)
    options: dict[str, Any] = {"batch_size": B, "dtype": "float64"}
    whole = prepare(network, data, ms.Adam(), **options).session(sampling="sequential")
    plan = ms.memory_plan(network, SHAPES[kind], B, ms.Adam(), dtype="float64")
    assert plan.bytes == sum(array.nbytes for array in whole.arena.storage.values())
    if not (network.couples_batch or draws(network, SHAPES[kind])):
        parts = prepare(network, data, ms.Adam(), micro_batch=3, **options).session(sampling="sequential")
        found, expected = (each.compute_gradient(each.sampler.next(B)) for each in (parts, whole))
        assert_allclose(found, expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_step_is_explained_and_differentiated_once_more(name: str, kind: str) -> None:
    network, data = make(name, kind)
    lines = ms.explain(network, batch_size=2, input_shape=SHAPES[kind]).phases
    for phase in ("forward", "loss", "backward", "update"):
        assert all(line.formula and line.bytes >= 0 and line.flops >= 0 for line in lines[phase]), phase
    objective = Objective(network.build(SHAPES[kind], dtype="float64"), data)
    rng = np.random.default_rng(0)
    w = objective.start + rng.normal(0, 0.3, objective.parameters)
    v, r = rng.normal(0, 1, objective.parameters), 1e-6
    up, down = objective.gradient(w + r * v), objective.gradient(w - r * v)
    product = objective.hessian_vector(w, v)
    assert_allclose(product, (up - down) / (2 * r), rtol=1e-5, atol=1e-7 * np.abs(product).max())
