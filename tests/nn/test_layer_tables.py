"""Nothing public escapes the tables that the tests are made from."""

from __future__ import annotations

from types import FunctionType

import minisgd.nn as nn
from tests.nn.layer_tables import INITIALIZERS, LAYERS, LOSSES

CHAINS = {nn.Layer, nn.Network}
"""What is no layer of its own: the base class, and the chain that every test is built on."""


def exported(base: type) -> set[type]:
    public = (getattr(nn, name) for name in nn.__all__)
    return {thing for thing in public if isinstance(thing, type) and issubclass(thing, base)}


def test_every_layer_has_a_row() -> None:
    assert {type(row.make((3, 3, 2))) for row in LAYERS.values()} == exported(nn.Layer) - CHAINS


def test_every_row_says_what_its_layer_is_in_numpy_and_in_pytorch() -> None:
    """A chain of layers is what its layers are."""
    for name, row in LAYERS.items():
        chain = isinstance(row.make((3, 3, 2)), nn.Sequential)
        assert chain or (row.plain and row.torch), f"{name} lacks its evidence"


def test_every_loss_has_a_row() -> None:
    assert {type(row.make()) for row in LOSSES.values()} == exported(nn.Loss) - {nn.Loss}


def test_every_initializer_has_a_row() -> None:
    public = {
        name
        for name, thing in vars(nn.init).items()
        if getattr(thing, "__module__", "") == nn.init.__name__
        and not name.startswith("_")
        and isinstance(thing, type | FunctionType)
    }
    assert set(INITIALIZERS) == public - {"Initializer", "require_rule"}
