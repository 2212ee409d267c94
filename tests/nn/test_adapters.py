"""Adapters: they begin at the frozen layer, learn in its place, and are saved apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.nn.architecture import described, rebuilt

DATA = ms.datasets.digits(validation=0.2, seed=0)
KINDS: list[tuple[Any, dict[str, int]]] = [(ms.LoRA, {"rank": 3}), (ms.Adapter, {"width": 5})]


def mlp() -> ms.Network:
    return ms.Network(ms.Linear(32, name="hidden"), ms.ReLU(), ms.Linear(10))


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_an_adapter_begins_at_the_layer_it_is_around(kind: Any, options: Any) -> None:
    network = mlp().build((64,), seeds=[1, 2], dtype="float64")
    adapted = network.freeze("*").adapt("*", kind, **options)
    x = DATA.train.x[:7].astype(float)
    assert_allclose(adapted.predict(x), network.predict(x), rtol=1e-12)
    assert network.to_numpy().keys() < adapted.to_numpy().keys()
    assert all(any(part in name for part in (".A", ".B", "adapter")) for name in adapted.parameters())


def test_merged_weights_are_the_same_function() -> None:
    adapted = mlp().build((64,), dtype="float64").freeze("*").adapt("*", ms.LoRA, rank=3, alpha=2.0)
    run = ms.train(adapted, DATA, optimizer=ms.Adam(lr=0.02), epochs=2, seed=0, dtype="float64")
    dense = run.network.merged()
    assert [type(layer) for layer in dense.layers] == [type(layer) for layer in mlp().layers]
    assert_allclose(dense.predict(DATA.train.x), run.network.predict(DATA.train.x), rtol=1e-10, atol=1e-12)
    assert dense.to_numpy().keys() == mlp().build((64,)).to_numpy().keys()


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_pretrained_file_and_an_adapter_of_its_own(kind: Any, options: Any, tmp_path: Path) -> None:
    ms.train(mlp(), DATA, epochs=3, seed=0).network.save(tmp_path / "pretrained.safetensors")

    def start() -> ms.Network:
        return mlp().load(tmp_path / "pretrained.safetensors").freeze("*").adapt("hidden", kind, **options)

    tuned = ms.train(start(), DATA, epochs=2, seed=1).network
    saved = tuned.save(tmp_path / "adapter.safetensors", learned_only=True)
    assert saved.stat().st_size < (tmp_path / "pretrained.safetensors").stat().st_size
    again = start().load(saved)
    for name, array in tuned.to_numpy().items():
        assert_array_equal(again.to_numpy()[name], array, err_msg=name)
    with pytest.raises(ms.CheckpointError):
        mlp().load(saved)


def test_the_head_may_learn_beside_the_adapters() -> None:
    adapted = mlp().build((64,)).adapt("hidden", ms.LoRA, rank=2)
    assert set(adapted.parameters()) == {"hidden.A", "hidden.B", "2.W", "2.b"}


def test_adapters_inside_blocks() -> None:
    block = ms.Network(ms.TransformerBlock(8, 2, name="block"), ms.Flatten(), ms.Linear(3)).build((4, 8))
    adapted = block.freeze("*").adapt("block.0", ms.LoRA, rank=2)  # the attention
    assert adapted.n_parameters == 2 * (8 + 24) + 2 * (8 + 8)
    x = np.random.default_rng(0).normal(size=(5, 4, 8)).astype("float32")
    assert_allclose(adapted.predict(x), block.predict(x), rtol=1e-5)


def test_an_adapter_after_a_block() -> None:
    whole = ms.Network(ms.Adapter(ms.TransformerBlock(8, 2, name="block"), 3), ms.Flatten(), ms.Linear(3)).build((4, 8))
    assert {name.split(".")[0] for name in whole.parameters()} == {"block", "2"}
    assert whole.n_parameters == (8 * 3 + 3) + (3 * 8 + 8) + (32 * 3 + 3)
    block = ms.Network(ms.TransformerBlock(8, 2, name="block"), ms.Flatten(), ms.Linear(3)).build((4, 8))
    assert block.to_numpy().keys() < whole.to_numpy().keys()


@pytest.mark.parametrize("make", [lambda: ms.LoRA(ms.Linear(3), 2, alpha=4.0), lambda: ms.Adapter(ms.Linear(3), 2)])
def test_an_architecture_keeps_adapters(make: Any) -> None:
    network = ms.Network(make(), ms.Linear(2))
    again = rebuilt(described(network))
    assert repr(again) == repr(network)
    assert [s.name for s in again.build((5,)).layout] == [s.name for s in network.build((5,)).layout]


def test_wrong_adapters_are_refused() -> None:
    with pytest.raises(ms.DtypeError, match=r"LoRA: layer must be an ms\.Linear"):
        ms.LoRA(ms.ReLU())  # type: ignore[arg-type]
    with pytest.raises(ms.ArgumentError, match="Adapter"):
        ms.Adapter(ms.ReLU())
