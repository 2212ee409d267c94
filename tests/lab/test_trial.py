from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs
from minisgd.lab.trial import Trial, with_validation

DATA = gaussian_blobs(100, 4, 3, 3.0, seed=0)
NETWORK = ms.Network(ms.Linear(3))


def test_a_validation_split_is_kept_asked_for_or_a_fifth():
    x, y = np.zeros((100, 2)), np.arange(100) % 2
    assert len(with_validation((x, y), None, 0).validation) == 20
    tenth = with_validation((x, y), 0.1, 0)
    assert len(tenth.validation) == 10
    assert len(with_validation(tenth, None, 0).validation) == 10


def test_weights_stay_as_they_are_while_a_step_is_timed():
    session = Trial(NETWORK, DATA, ms.SGD(lr=1.0), dtype="float64").still(0)(10).session()
    before = session.network.vector.copy()
    session.step()
    assert_allclose(session.network.vector, before, atol=1e-9)


def test_what_is_no_optimizer_is_refused_when_a_run_is_prepared():
    with pytest.raises(ms.DtypeError, match="optimizer must be an optimizer object"):
        Trial(NETWORK, DATA, 0.1).still(0)(10)
