"""``ms.Sampled``: any instrument along a training run that does not notice."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms


def train(*callbacks):
    data = ms.datasets.digits(validation=0.2)
    net = ms.Network(ms.Linear(8), ms.BatchNorm(), ms.ReLU(), ms.Dropout(0.2), ms.Linear(10))
    return ms.train(net, data, optimizer=ms.Adam(), batch_size=64, steps=25, callbacks=list(callbacks)), data


def test_any_instrument_samples_a_training_that_does_not_notice():
    data = ms.datasets.digits(validation=0.2)
    measures = [
        lambda network: ms.gsnr(network, data),
        lambda network: ms.loss_line(network, data, points=3),
        lambda network: ms.latency(network, data, [1, 8], visits=3),
        lambda network: ms.memory_fit(network, data, [8, 16, 32]),
    ]
    watched = [ms.Sampled(measure, every=10) for measure in measures]
    run, _ = train(*watched)
    plain, _ = train()
    assert_array_equal(run.network.vector, plain.network.vector)
    assert_array_equal(run.network.statistics, plain.network.statistics)
    for one in watched:
        assert one.steps == [0, 10, 20] and len(one.results) == 3 and one.seconds > 0
    assert len({found.median for found in watched[0].results}) == 3


def test_a_sample_is_of_the_weights_of_its_step():
    seen = ms.Sampled(lambda network: np.array(network.vector), every=25)
    run, _ = train(seen)
    assert_array_equal(seen.results[-1], run.network.vector)


def test_wrong_uses():
    with pytest.raises(ms.DtypeError, match="measure must be a function of a network"):
        ms.Sampled("gsnr")
    with pytest.raises(ms.ArgumentError, match="every"):
        ms.Sampled(ms.gsnr, every=0)


def test_callbacks_with_intervals_of_their_own_are_asked_where_each_needs_it():
    class Sees(ms.Callback):
        step_interval = 10
        before, after = [], []

        def on_gradient(self, training, index, gradient):
            self.before.append(training.session.steps)

        def on_step(self, training):
            self.after.append(training.session.steps)

    sixth, tenth = (ms.Sampled(lambda network: 0.0, every=every) for every in (6, 10))
    sees = Sees()
    run, _ = train(sixth, tenth, sees)
    assert (sixth.steps, tenth.steps) == ([0, 6, 12, 18, 24], [0, 10, 20])
    assert {0, 10, 20} <= set(sees.before) and {10, 20} <= set(sees.after)
    assert_array_equal(run.network.vector, train()[0].network.vector)
    assert "5 samples" in sixth._repr_html_() and "<svg" in sixth._repr_html_()
