"""NumPy's integers and numbers are taken wherever Python's are: ranges, grids and searches give them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minisgd as ms
from minisgd.lab.claims.run.arguments import resolve_seeds as claims_seeds
from minisgd.lab.instruments.throughput.pairs import powers_of_two
from minisgd.lab.study.arguments import given_target, resolve_seeds
from minisgd.lab.study.grid import resolve_batch_sizes, resolve_learning_rates
from minisgd.lab.study.ranks import resolve_ranks

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(120, 4)).astype(np.float32), np.arange(120) % 3
DATA = ms.Dataset.from_arrays(X, Y, validation=0.25)
NET = ms.Network(ms.Linear(3))
BUILT = ms.Network(ms.Linear(3)).build((4,))

Make = Callable[[Callable[[int], Any], Callable[[float], Any]], Any]

CALLS: dict[str, Make] = {
    "Conv2d": lambda i, f: repr(ms.Conv2d(i(4), i(3), stride=(i(1), i(2)), padding=i(1))),
    "MaxPool2d": lambda i, f: repr(ms.MaxPool2d(i(2), stride=i(1))),
    "Boltzmann": lambda i, f: repr(ms.RBM(i(4), k=i(2), chains=i(0))),
    "train": lambda i, f: weights(steps=i(3), batch_size=i(16), threads=i(1), seed=i(1), micro_batch=i(8)),
    "train by numbers": lambda i, f: weights(epochs=f(0.5), clip_norm=f(0.25), evaluate_every=f(0.25)),
    "train with a limit": lambda i, f: weights(steps=i(2), memory_limit=i(1 << 20)),
    "hold out": lambda i, f: len(ms.train(NET, (X, Y), validation=f(0.25), steps=1).data.train),
    "subset": lambda i, f: len(DATA.subset(i(30), seed=i(2))),
    "build": lambda i, f: ms.Network(ms.Linear(i(2))).build((i(3),), seeds=[i(0), i(1)]).n_parameters,
    "noise": lambda i, f: ms.gradient_noise(BUILT, DATA, probes=i(4), examples=i(40), seed=i(0)).b_simple,
    "target of a study": lambda i, f: given_target(DATA, {"accuracy": f(0.5)}),
    "seeds of a study": lambda i, f: resolve_seeds(i(3), i(1)),
    "seeds of claims": lambda i, f: claims_seeds(i(8), i(1)),
    "grids": lambda i, f: (resolve_batch_sizes([i(4), i(8)], 64), resolve_learning_rates([f(0.25), f(0.5)])),
    "ranks": lambda i, f: resolve_ranks([i(8)]),
    "SGD": lambda i, f: ms.SGD(f(0.25), momentum=f(0.5)),
}


def weights(**settings: Any) -> list[float]:
    return ms.train(NET, DATA, **settings).network.to_numpy()["0.W"].ravel().tolist()


@pytest.mark.parametrize("name", CALLS)
def test_numbers_of_numpy_do_what_python_s_do(name: str) -> None:
    make = CALLS[name]
    assert make(np.int64, np.float32) == make(int, float)


def test_powers_of_two_refuse_what_is_none() -> None:
    with pytest.raises(ms.ArgumentError, match="powers"):
        powers_of_two(NET, DATA, powers=[np.int64(12)])


def test_a_seed_of_numpy_is_the_same_training_run(tmp_path: Path) -> None:
    ms.train(NET, DATA, epochs=1, seed=np.int64(3), checkpoint=tmp_path)
    assert ms.train(NET, DATA, epochs=2, seed=3, resume=tmp_path).epochs == 2


def test_a_history_takes_the_index_of_a_best_record() -> None:
    history = ms.train(NET, DATA, epochs=3).history
    best = np.argmin(history["val_loss"])
    assert history[best]["val_loss"] == min(history["val_loss"])
    assert history[1:] == history.records[1:]


def test_epochs_may_be_any_number(tmp_path: Path) -> None:
    ms.train(NET, DATA, epochs=Fraction(3, 2), checkpoint=tmp_path)
    assert ms.train(NET, DATA, epochs=np.float32(2.0), resume=tmp_path).epochs == 2
