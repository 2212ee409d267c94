"""No call of a recorded program converts numbers on the way, except those that are named here.

NumPy converts operands of another dtype a buffer at a time, and says nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import minisgd as ms
from minisgd.backend import Call, Program
from minisgd.training.prepare import Prepared, prepare
from tests.nn.layer_tables import CASES, LAYERS, LOSSES, shape_of
from tests.optim.optimizer_table import OPTIMIZERS

NAMED = {
    "take": "rows by their indices",
    "add_rows": "to rows by their indices",
    "one_hot": "rows of the identity by labels",
    "argmax": "gives an index",
    "uniform": "reads a clock",
    "copy": "converts where it is asked to",
    "rescale": "bytes become floats",
    "compare": "a mask: a byte a number, of which four times as many stay in the cache",
    "mask": "multiplies by such a mask: sooner done than by numbers of four bytes, which would have to be written",
    "loss": "one number a batch, added in float64 to those of an epoch",
    "hits": "counted in float64, whatever the network computes in; in evaluations only",
}
RNG = np.random.default_rng(0)
Recorded = Iterator[tuple[Program, str]]


def what(call: Call, dtype: str) -> str | None:
    """Return the name of what mixes dtypes in a call of a network of a dtype; None where nothing does."""
    reads = [a.dtype.name for a in call.reads if isinstance(a, np.ndarray)]
    out = call.out.dtype.name
    mixed = {*reads, out} != {out}
    if call.op in ("greater", "greater_equal", "equal"):
        return "hits" if out == "float64" != dtype else "compare" if set(reads) != {out} or out == dtype else None
    if not mixed:
        return None
    if call.op in ("take", "add_rows", "one_hot", "argmax", "uniform", "copy"):
        return call.op
    if call.op == "multiply" and "uint8" in reads and out == dtype:
        return "rescale"
    if call.op == "multiply" and sorted(reads) == ["bool", dtype] and out == dtype:
        return "mask"
    if call.op == "add" and call.phase in ("loss", "evaluate") and reads == ["float64", dtype]:
        return "loss"
    if call.phase == "evaluate" and out == "float64":
        return "hits"
    return f"{call.layer}: {call.op} of {', '.join(reads)} to {out}"


def programs(prepared: Prepared) -> Iterator[Program]:
    """Yield all programs of a training run and its evaluation."""
    session, evaluator = prepared.session(epochs=1), prepared.evaluator()
    session.step()
    for gather, gradient, _ in session._gradients.values():
        yield from (gather, gradient)
    yield from (session._update(), session._flush, session._accumulate if session.recipe.accumulates else Program())
    if evaluator is not None:
        evaluator.score()
        yield from (program for program, _ in evaluator._programs.values())


def mixed(prepared: Prepared) -> set[str]:
    dtype = str(prepared.recipe.network.dtype)
    found = {what(call, dtype) for program in programs(prepared) for call in program}
    return {name for name in found if name is not None}


def data(x: Any, outputs: int = 3) -> ms.Dataset:
    return ms.Dataset.from_arrays(x, np.arange(len(x)) % outputs, validation=0.2)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_layer(name: str, kind: str) -> None:
    shape = shape_of(kind, np.random.default_rng(1))
    net = ms.Network(LAYERS[name].make(shape), ms.Flatten(), ms.Linear(3))
    dataset = data(LAYERS[name].draw(RNG, (23, *shape)))
    assert mixed(prepare(net, dataset, ms.SGD(lr=0.01), batch_size=7, seeds=0)) <= set(NAMED)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name: str) -> None:
    net = ms.Network(ms.Linear(7), ms.ReLU(), ms.Linear(3))
    dataset = data(RNG.standard_normal((23, 5)))
    found = mixed(prepare(net, dataset, OPTIMIZERS[name], batch_size=4, clip_norm=1.0))
    assert found <= set(NAMED)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name: str) -> None:
    y = LOSSES[name].draw(np.random.default_rng(0), (20, 3))
    y = np.maximum(y, 0) if y.dtype.kind == "i" else y  # every example has its class
    dataset = ms.Dataset.from_arrays(RNG.standard_normal((20, 5)), y, weight=RNG.uniform(0.5, 2, 20), validation=0.2)
    net, loss = ms.Network(ms.Linear(6), ms.Tanh(), ms.Linear(3)), LOSSES[name].make()
    prepared = prepare(net, dataset, ms.Adam(lr=0.01), loss=loss, batch_size=7, micro_batch=3)
    assert mixed(prepared) <= set(NAMED)


def test_bytes() -> None:
    dataset = data(RNG.integers(0, 256, (40, 6, 6, 1)).astype(np.uint8))
    net = ms.Network(ms.Flatten(), ms.Linear(8), ms.Dropout(0.3), ms.Linear(3))
    assert "rescale" in mixed(prepare(net, dataset, ms.SGD(lr=0.1), batch_size=9, seeds=[0, 1])) <= set(NAMED)


def test_what_is_mixed_is_found() -> None:
    single, double = np.zeros(3, np.float32), np.zeros(3)
    call = Call(np.add, (double, single, double), "add", (double, single), double, "forward", "Linear")
    assert what(call, "float32") == "Linear: add of float64, float32 to float64"
