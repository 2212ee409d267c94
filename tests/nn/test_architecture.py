"""Every layer, loss and initializer as a document, and made again from it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import minisgd as ms
from minisgd.nn.architecture import described, rebuilt
from minisgd.packing import pack, unpack
from tests.nn.layer_tables import INITIALIZERS, LAYERS, LOSSES


def through_json(part: Any, allow: Any = ()) -> Any:
    """Return a part as it comes back from text and tensors."""
    tensors: dict[str, np.ndarray] = {}
    text = json.dumps(pack(described(part), tensors), allow_nan=False)
    return rebuilt(unpack(json.loads(text), tensors), allow)


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name: str) -> None:
    row = LAYERS[name]
    for kind in row.kinds:
        layer = row.make((4,) if kind == "features" else (4, 4, 2))
        again = through_json(layer)
        assert repr(again) == repr(layer) and described(again) == described(layer) and type(again) is type(layer)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name: str) -> None:
    loss = LOSSES[name].make()
    again = through_json(loss)
    assert type(again) is type(loss) and described(again) == described(loss) and again.has_hits == loss.has_hits


@pytest.mark.parametrize("name", INITIALIZERS)
def test_every_initializer(name: str) -> None:
    rule = INITIALIZERS[name][0] if isinstance(INITIALIZERS[name], tuple) else INITIALIZERS[name]
    assert through_json(ms.Linear(3, init=rule)).init == rule


class Features(ms.Layer):
    """A layer with all that a layer of one's own may have: arrays, settings that are changed, keyword arguments."""

    def __init__(self, scale: np.ndarray[Any, Any], power: int = 2, **more: Any) -> None:
        super().__init__(**more)
        self.scale, self.power = scale, power * 10
        self.matrix = np.random.default_rng().normal(size=(2, 2))
        self.helper = np.tanh


def rule(rng: Any, shape: Any, fan_in: int, fan_out: int) -> Any:
    return np.zeros(shape)


class Block(ms.Sequential):
    def __init__(self, width: int, *layers: ms.Layer, extra: Any = None) -> None:
        super().__init__(*layers)
        self.width, self.extra = width, extra


def test_a_layer_of_ones_own_comes_back_as_it_was() -> None:
    own = Features(np.arange(3, dtype=np.float32), power=3, name="features")
    net = ms.Network(Block(7, own, ms.Linear(2, init=rule), extra=float("inf")))
    block = through_json(net, [Features, Block, rule]).layers[0]
    again = block.layers[0]
    assert (block.width, block.extra, again.name, again.power) == (7, float("inf"), "features", 30)
    np.testing.assert_array_equal(again.scale, own.scale)
    assert again.scale.dtype == np.float32
    np.testing.assert_array_equal(again.matrix, own.matrix)
    assert block.layers[1].init is rule and again.helper is np.tanh


@pytest.mark.parametrize("allow", [Features, [Features], f"{__name__}:Features", [f"{__file__}:Features"]])
def test_what_may_run_is_named(allow: Any) -> None:
    assert through_json(ms.Sequential(Features(np.ones(2))), allow).layers[0].power == 20


class Loose(ms.Layer):
    def __init__(self, width: int) -> None:
        super().__init__()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Loose(3), "Loose: width must be kept as self.width.*write self.width = width in its __init__"),
        (Block(3, ms.ReLU(), extra={"a": 1}), "dict must be a layer, a loss"),
    ],
)
def test_what_cannot_be_saved(layer: ms.Layer, message: str) -> None:
    with pytest.raises(ms.ArgumentError, match=message):
        described(ms.Network(layer))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"class": "builtins:eval"}, "builtins:eval; if you trust its code, allow it"),
        ({"object": "os:system"}, "os:system; if you trust"),
        ({"class": None}, "got None"),
        ({}, "got None"),
        ({"class": "Linear"}, "Linear with nothing"),
        ({"class": "Dropout", "p": 2.0, "name": None}, r"Dropout: p must be a number in \[0, 1\)"),
        ({"class": "Dropout", "p": 0.5, "name": None, "self": {"p": 3.0}}, "other attributes"),
        ({"class": "Sequential", "layers": 3, "name": None}, "Sequential: "),
    ],
)
def test_what_is_not_made(document: Any, message: str) -> None:
    with pytest.raises(ms.CheckpointError, match=message):
        rebuilt(document)


@pytest.mark.parametrize("allow", [3, "Features", "nowhere:Features", f"{__name__}:Missing", "missing.py:A", [None]])
def test_what_cannot_be_allowed(allow: Any) -> None:
    with pytest.raises(ms.ArgumentError, match="allow must be"):
        rebuilt({"class": "ReLU", "name": None}, allow)
