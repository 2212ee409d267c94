"""What users of other libraries are used to: names instead of objects, functions instead of classes."""

from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.optim import OPTIMIZERS, as_optimizer

NET = ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(1))
RNG = np.random.default_rng(0)
X = RNG.standard_normal((80, 3))
Y = X @ [1.0, -1.0, 0.5]


def largest_error(target, prediction):
    return float(np.abs(target - prediction).max())


def test_names_and_functions():
    run = ms.train(
        NET, (X, Y), optimizer="adam", loss="mse", metrics=["mae", largest_error], validation=0.2, epochs=2
    )  # fmt: skip
    named = ms.train(
        NET, (X, Y), optimizer=ms.Adam(), loss=ms.MeanSquaredError(), metrics={"mae": "mae"}, validation=0.2, epochs=2
    )  # fmt: skip
    assert run.history["val_mae"] == named.history["val_mae"]
    assert set(run.metrics) == {"mae", "largest_error"} and "val_largest_error" in run.history.columns
    assert set(ms.train(NET, (X, Y), metrics=largest_error, validation=0.2, epochs=1).metrics) == {"largest_error"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_by_name(name):
    made = as_optimizer(name.upper())
    assert made.lr == (0.1 if "lr" not in type(made).__dataclass_fields__ or name in ("sgd", "nesterov") else made.lr)
    assert as_optimizer(made) is made


def test_what_is_no_optimizer_is_refused():
    with pytest.raises(ms.ArgumentError, match="did you mean 'adam'"):
        ms.train(NET, (X, Y), optimizer="adm")
    with pytest.raises(ms.DtypeError, match="an optimizer object, or its name"):
        ms.train(NET, (X, Y), optimizer=3)
