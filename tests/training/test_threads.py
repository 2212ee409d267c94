"""Many threads on one network: each gets the bits that it would get alone."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import minisgd as ms

THREADS = 8
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(48, 6)).astype(np.float32), np.arange(48) % 3
DATA = ms.Dataset.from_arrays(X, Y, validation=0.25)


@pytest.fixture(scope="module")
def net() -> ms.Network:
    layers = [ms.Linear(8), ms.BatchNorm(), ms.ReLU(), ms.Residual(ms.Dropout(0.2), ms.Tanh()), ms.Linear(3)]
    return ms.train(ms.Network(*layers), DATA, epochs=2).network


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """Call work(0) … work(7), each in a thread, all beginning together."""
    start = threading.Barrier(THREADS)

    def begin(k: int) -> Any:
        start.wait()
        return work(k)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def test_a_thousand_predictions_each() -> None:
    net = ms.Network(ms.Linear(3), ms.ReLU()).build((6,))
    parts = [X[k : k + 5 + k] for k in range(THREADS)]
    alone = [net.predict(part).tobytes() for part in parts]

    def work(k: int) -> int:
        return sum(net.predict(parts[k]).tobytes() != alone[k] for _ in range(1000))

    assert at_once(work) == [0] * THREADS


def bits(value: Any) -> Any:
    """Return what a call found, without the time it took, as what compares bit by bit."""
    if isinstance(value, ms.Run):
        return value.network.vector.tobytes(), [record["val_loss"] for record in value.history]
    if isinstance(value, np.ndarray):
        return value.tobytes()
    return repr(value)


CALLS: dict[str, Callable[[ms.Network], Any]] = {
    "train": lambda net: ms.train(net, DATA, epochs=1, batch_size=8),
    "train anew": lambda net: ms.train(ms.Network(ms.Linear(4), ms.GELU(), ms.Linear(3)), DATA, epochs=1),
    "evaluate": lambda net: ms.evaluate(net, ms.SoftmaxCrossEntropy(), DATA.train),
    "gradient_noise": lambda net: ms.gradient_noise(net, DATA),
    "per_example_norms": lambda net: ms.per_example_norms(net, X, Y).total,
    "per_example_gradients": lambda net: ms.per_example_gradients(net, X, Y),
    "hessian": lambda net: ms.hessian_eigenvalues(net, DATA),
    "loss_line": lambda net: ms.loss_line(net, DATA, points=3),
    "predict": lambda net: net.predict(X),
    "explain": lambda net: str(ms.explain(net, batch_size=8)),
}


def test_everything_at_once(net: ms.Network) -> None:
    names = list(CALLS)
    alone = {name: bits(CALLS[name](net)) for name in names}

    def work(k: int) -> list[str]:
        mine = names[k % len(names) :] + names[: k % len(names)]
        return [name for name in mine if bits(CALLS[name](net)) != alone[name]]

    assert at_once(work) == [[]] * THREADS


def test_a_run_is_evaluated_by_many() -> None:
    run = ms.train(ms.Network(ms.Linear(3)), DATA, epochs=1, metrics=["f1"])
    alone = run.evaluate()
    assert at_once(lambda k: [run.evaluate() == alone for _ in range(20)]) == [[True] * 20] * THREADS


def child(connection: Any, net: ms.Network) -> None:
    run = ms.train(net, DATA, epochs=1, batch_size=8)
    connection.send((net.predict(X).tobytes(), run.network.vector.tobytes()))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python's own, of fork beside threads of the BLAS
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_after_use_goes_on(net: ms.Network) -> None:
    here, there = multiprocessing.Pipe()
    expected = net.predict(X).tobytes(), ms.train(net, DATA, epochs=1, batch_size=8).network.vector.tobytes()
    process = multiprocessing.get_context("fork").Process(target=child, args=(there, net))
    process.start()
    there.close()
    assert here.recv() == expected
    process.join()
