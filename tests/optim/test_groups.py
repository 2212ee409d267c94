"""Parameter groups: each tensor moves as under an optimizer with its group's settings, like PyTorch's groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from tests.optim.optimizer_table import LAYOUT, OPTIMIZERS, bench, slope

GROUPS = {"*.b": ms.Group(weight_decay=0.0), "3.*": ms.Group(lr_factor=3.0, weight_decay=0.2)}


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if "groups" not in name])
def test_every_tensor_moves_by_its_group(name: str) -> None:
    optimizer = OPTIMIZERS[name]
    lr = optimizer.lr
    assert isinstance(lr, float)
    grouped = bench(replace(optimizer, groups=GROUPS))
    alone = {
        "rest": bench(optimizer),
        "*.b": bench(replace(optimizer, weight_decay=0.0)),  # type: ignore[call-arg]
        "3.*": bench(replace(optimizer, lr=3 * lr, weight_decay=0.2)),  # type: ignore[call-arg]
    }
    for b in (grouped, *alone.values()):
        b.w[:] = np.random.default_rng(7).normal(size=LAYOUT.size)
    for t in range(5):
        for b in (grouped, *alone.values()):
            b.g[:] = slope(grouped.w if b is grouped else b.w, t)
        for b in (grouped, *alone.values()):
            b.program.replay()
        expected = np.concatenate(
            [s.view(alone[{"1.b": "*.b", "3.W": "3.*"}.get(s.name, "rest")].w).ravel() for s in LAYOUT]
        )
        assert_allclose(grouped.w, expected, rtol=1e-12)
        for b in (grouped, *alone.values()):
            b.w[:] = expected


def test_training_takes_groups() -> None:
    data = ms.datasets.digits(validation=0.2, seed=0)
    net = ms.Network(ms.Linear(16, name="hidden"), ms.ReLU(), ms.Linear(10, name="output")).build((64,))
    slow = ms.train(net, data, optimizer=ms.Adam(1e-2, groups={"hidden.*": ms.Group(lr_factor=1e-12)}), epochs=1)
    assert_allclose(slow.network.to_numpy()["hidden.W"], net.to_numpy()["hidden.W"], atol=1e-8)
    assert not np.allclose(slow.network.to_numpy()["output.W"], net.to_numpy()["output.W"], atol=1e-3)
    one = ms.train(net, data, optimizer=ms.Adam(1e-2, groups={"*": ms.Group()}), epochs=1).network.to_numpy()
    none = ms.train(net, data, optimizer=ms.Adam(1e-2), epochs=1).network.to_numpy()
    for name, array in none.items():
        assert_array_equal(one[name], array)


@pytest.mark.parametrize("groups", [{"*.b": 0.0}, ["*.b"]])
def test_what_are_no_groups_is_refused(groups: object) -> None:
    with pytest.raises(ms.DtypeError, match=r"groups must be ms\.Group by patterns"):
        ms.SGD(0.1, groups=groups)  # type: ignore[arg-type]


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    with pytest.raises(ms.ArgumentError, match=r"groups must be patterns of the names .* got hiden"):
        bench(ms.SGD(0.1, groups={"hiden*": ms.Group()}))
