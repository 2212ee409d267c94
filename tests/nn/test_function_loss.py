"""A function of one's own as a loss, and losses by their names."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.nn.losses import LOSSES, as_loss
from minisgd.nn.losses.function import FunctionLoss


def squared(z, target):
    return ((z - target) ** 2).mean(axis=-1)


def cross_entropy(z, target):
    z = z - z.max(axis=-1, keepdims=True)
    return np.log(np.exp(z).sum(axis=-1)) - np.take_along_axis(z, target[..., None], axis=-1)[..., 0]


def trained(loss, y, dtype="float64"):
    x = np.random.default_rng(0).standard_normal((64, 3))
    net = ms.Network(ms.Linear(8), ms.Tanh(), ms.Linear(2 if y.dtype.kind == "f" else 3))
    return ms.train(net, (x, y), loss=loss, optimizer=ms.SGD(lr=0.1), epochs=3, batch_size=24, dtype=dtype)


@pytest.mark.parametrize("kind", ["values", "classes"])
def test_a_function_trains_as_the_loss_that_it_is(kind):
    rng = np.random.default_rng(1)
    y = rng.standard_normal((64, 2)) if kind == "values" else rng.integers(0, 3, 64)
    function, loss = (squared, "mse") if kind == "values" else (cross_entropy, "cross-entropy")
    own, ours = trained(function, y), trained(loss, y)
    assert_allclose(own.history["train_loss"], ours.history["train_loss"], rtol=1e-8)
    assert_allclose(own.network.vector, ours.network.vector, atol=1e-8)
    assert trained(function, y, "float32").network.dtype == "float32"


def test_a_stack_of_replicas_takes_it_too():
    from minisgd.training.prepare import prepare

    data = ms.Dataset.from_arrays(np.ones((12, 3)), np.arange(24.0).reshape(12, 2), validation=None)
    session = prepare(ms.Network(ms.Linear(2)), data, "sgd", loss=squared, batch_size=4, seeds=(0, 1)).session()
    session.step()
    assert session.train_loss().shape == (2,)


def test_explain_counts_a_function_as_one_call():
    text = str(ms.explain(ms.Network(ms.Linear(10)), 4, input_shape=64, loss=FunctionLoss(cross_entropy)))
    assert "f(" in text


def test_a_mean_over_the_batch_is_refused():
    with pytest.raises(ms.ArgumentError, match="one for every example"):
        trained(lambda z, t: ((z - t) ** 2).mean(), np.zeros((64, 2)) + 0.5)


@pytest.mark.parametrize("name", [*LOSSES, "Huber", "cross_entropy"])
def test_losses_by_name(name):
    assert isinstance(as_loss(name), ms.Loss)


@pytest.mark.parametrize(
    ("value", "message"), [("hubber", "did you mean 'huber'"), (ms.Huber, r"call it: Huber\(\)"), (3, "a loss")]
)
def test_what_is_no_loss_is_refused(value, message):
    with pytest.raises(ms.ArgumentError, match=message):
        as_loss(value)
