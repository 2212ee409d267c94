"""The noise scale that claims read is that of ``ms.gradient_noise``."""

from __future__ import annotations

import numpy as np

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs
from minisgd.lab.claims.experiments.noise_scale import NoiseScale
from minisgd.lab.trial import Trial


def test_it_is_that_of_the_instrument():
    data = gaussian_blobs(60, 4, 3, 3.0, seed=0)
    network = ms.train(ms.Network(ms.Linear(6), ms.ReLU(), ms.Linear(3)), data, epochs=1, batch_size=8).network
    expected = ms.gradient_noise(network, data).b_simple
    np.testing.assert_allclose(NoiseScale()(network, Trial(network, data))["noise_scale"], expected, rtol=1e-12)
