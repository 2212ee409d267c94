"""What may be given to the instruments of curvature."""

from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.errors import ArgumentError, DataError, DivergedError, DtypeError
from minisgd.lab.instruments.curvature.smooth import as_smooth, require_finite
from tests.lab.instruments.curvature.smooth_functions import quadratic


def test_a_network_with_data_or_a_function_alone() -> None:
    data = ms.datasets.digits(validation=0.0)
    network = ms.model("linear", data.input_shape, 10).build(data.input_shape)
    made = as_smooth(network, data, examples=100, seed=1)
    assert isinstance(made, ms.Objective) and made.examples == 100
    assert as_smooth(made, None, seed=7) is made
    subject = quadratic(1, 2)
    assert as_smooth(subject, None) is subject


def test_anything_else_is_refused() -> None:
    data = ms.datasets.digits(validation=0.0)
    network = ms.model("linear", data.input_shape, 10).build(data.input_shape)
    with pytest.raises(DataError, match="data must be given with a network"):
        as_smooth(network, None)
    for wrong in (3, None, data):
        with pytest.raises(DtypeError, match=r"an ms\.Network and data, or an ms\.Objective alone"):
            as_smooth(wrong, None)  # type: ignore[arg-type]
    with pytest.raises(DtypeError, match="alone"):
        as_smooth(quadratic(1, 2), data)
    with pytest.raises(ArgumentError, match="loss must be left out with an objective"):
        as_smooth(quadratic(1, 2), None, loss=ms.L1())


def test_what_is_not_finite_is_counted() -> None:
    require_finite(np.ones(3), "it")
    with pytest.raises(DivergedError, match="it must be finite, got 2 of 3 values"):
        require_finite(np.array([1, np.nan, np.inf]), "it")
