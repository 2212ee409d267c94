from __future__ import annotations

import warnings

import numpy as np
import pytest

import minisgd as ms


def digits(factor=1.0):
    data = ms.datasets.digits(seed=0)
    x, held = (factor * split.x.astype(np.float32) for split in (data.train, data.validation))
    return ms.Dataset.from_arrays(x, data.train.y, validation=(held, data.validation.y))


def mlp():
    return ms.Network(ms.Linear(32), ms.ReLU(), ms.Linear(32), ms.ReLU(), ms.Linear(10))


def test_unscaled_features_are_said_to_be_the_cause():
    with pytest.warns(ms.TrainingWarning, match="the network gives the same output.*features reach 255: standardize"):
        run = ms.train(mlp(), digits(255 / 16), optimizer=ms.SGD(lr=0.02), epochs=6)
    assert len(run.warnings) == 1 and "no better than 2.30" in run.warnings[0]
    assert run.evaluate()["accuracy"] < 0.2
    with pytest.raises(ms.DivergedError, match="features reach 255: standardize them"):
        ms.train(mlp(), digits(255 / 16), optimizer=ms.SGD(lr=0.1), epochs=4)


def test_a_learning_rate_that_kills_is_said_to_be_the_cause():
    with pytest.warns(ms.TrainingWarning, match="try another learning rate than 5"):
        ms.train(mlp(), digits(1 / 16), optimizer=ms.SGD(lr=5.0), epochs=4)


def test_targets_of_any_size_are_noticed():
    x = np.random.default_rng(0).normal(size=(400, 3))
    data = ms.Dataset.from_arrays(x, 1e4 * x[:, 0] + 1e5)
    with pytest.warns(ms.TrainingWarning, match="targets reach 1.*standardize them"):
        ms.train(ms.Network(ms.Linear(1)), data)


def test_labels_at_random_are_noticed_without_blame():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2000, 2)), rng.integers(2, size=2000)
    with pytest.warns(ms.TrainingWarning, match="nothing was learned yet"):
        ms.train(ms.Network(ms.Linear(2)), (x, y))


@pytest.mark.parametrize("loss", [None, ms.MeanSquaredError(), ms.BinaryCrossEntropy()])
def test_nothing_is_said_where_something_is_learned(loss):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int) if loss is None else (x[:, :2] > 0).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = ms.train(ms.Network(ms.Linear(2)), (x, y), loss=loss, optimizer=ms.SGD(lr=0.1), epochs=20)
    assert run.warnings == ()


@pytest.mark.parametrize("last, loss", [(ms.Softmax(), None), (ms.Sigmoid(), ms.BinaryCrossEntropy())])
def test_what_the_loss_applies_itself_is_noticed_before_training(last, loss):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int) if loss is None else (x[:, :2] > 0).astype(float)
    name = type(last).__name__
    with pytest.warns(ms.TrainingWarning, match=f"ends with {name}, and .*CrossEntropy takes logits") as said:
        run = ms.train(ms.Network(ms.Linear(4), ms.Sequential(ms.Linear(2), last)), (x, y), loss=loss, steps=1)
    assert len(run.warnings) == 1 and said[0].filename == __file__


def test_divergence_carries_the_run_and_its_best_weights():
    data = ms.Dataset.from_arrays(np.eye(40), np.arange(40.0))
    best = ms.BestWeights()
    with pytest.raises(ms.DivergedError) as caught:
        ms.train(ms.Network(ms.Linear(1)), data, optimizer=ms.SGD(lr=lambda p: 0.01 if p.epoch < 5 else 1e6),
                 batch_size=8, epochs=20, callbacks=[best])  # fmt: skip
    run = caught.value.run
    assert run.stopped == "diverged" and len(run.history) >= 6
    assert np.isfinite(run.network.vector).all()
    losses = [value for value in run.history["val_loss"] if np.isfinite(value)]
    assert run.evaluate()["loss"] == pytest.approx(min(losses))


def test_images_with_channels_first_are_noticed():
    x, y = np.random.default_rng(0).normal(size=(20, 3, 8, 9)).astype(np.float32), np.arange(20) % 2
    net = ms.Network(ms.Conv2d(2, 3), ms.Flatten(), ms.Linear(2))
    with pytest.warns(ms.TrainingWarning, match=r"shape \(3, 8, 9\) seem to have their channels first.*x.transpose"):
        ms.train(net, (x, y), epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ms.train(net, (x.transpose(0, 2, 3, 1), y), epochs=1)
