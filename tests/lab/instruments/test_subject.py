"""What instruments look at: one network with weights, and examples that fit it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms
from minisgd.errors import ArgumentError, DataError, DtypeError, MinisgdError, ShapeError
from minisgd.lab.instruments.objective import Objective
from minisgd.lab.instruments.subject import training_part


def test_bytes_are_scaled_as_in_training() -> None:
    data = ms.datasets.digits(validation=0.0)
    run = ms.train(ms.model("linear", data.input_shape, 10), data, steps=3)
    expected = Objective(run.network, data)
    w = expected.start
    for given in (data.train, (data.train.x, data.train.y)):
        assert Objective(run.network, given).value(w) == expected.value(w)


def test_labels_keep_the_codes_of_the_training() -> None:
    """A handful of examples that lacks some classes must not number the others anew."""
    x = np.random.default_rng(0).normal(0, 1, (30, 4))
    run = ms.train(ms.Network(ms.Linear(3)), (x, np.array(["a", "b", "c"] * 10)), steps=2, batch_size=5, validation=0.0)
    part = training_part(run.network, (x[:2], np.array(["b", "c"])), "train")
    assert_array_equal(part.train.y, [1, 2])


def test_networks_and_data_that_do_not_fit_are_refused() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (6, 5)), np.array([0, 1, 2, 0, 1, 2])
    network = ms.Network(ms.Linear(3)).build((5,))
    cases: list[tuple[type[MinisgdError], str, Any, Any]] = [
        (ArgumentError, "built, with weights", ms.Network(ms.Linear(3)), (x, y)),
        (ArgumentError, "single network", ms.Network(ms.Linear(3)).build((5,), seeds=[0, 1]), (x, y)),
        (ArgumentError, "parameters to vary", ms.Network(ms.ReLU()).build((5,)), (x, y)),
        (DtypeError, "an ms.Network", ms.Linear(3), (x, y)),
        (DtypeError, "Dataset, a Split or a pair", network, x),
        (ShapeError, r"examples of shape \(5,\)", network, (x[:, :4], y)),
        (DataError, "at least one label", network, (x[:0], y[:0])),
        (DataError, "labels below 2", ms.Network(ms.Linear(2)).build((5,)), (x, y)),
        (ShapeError, "float values", network, (x, y, ms.MeanSquaredError())),
        (ShapeError, "float values", network, (x, y, "mse")),
    ]
    for error, text, net, data in cases:
        loss = data[2] if len(data) == 3 else None
        with pytest.raises(error, match=text):
            Objective(net, data[:2] if loss else data, loss=loss)
    with pytest.raises(DtypeError, match="a loss, its name, or a function"):
        ms.gradient_noise(network, (x, y), loss=0.1)  # type: ignore[arg-type]
