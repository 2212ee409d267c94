from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.errors import ArgumentError, DtypeError
from minisgd.training.intake import as_dataset, default_batch_size, default_epochs, default_optimizer, weighted

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3)).astype(np.float32)
Y = np.repeat([0, 1, 2], [60, 20, 10])


def test_balanced_classes_weigh_the_same():
    data = weighted(ms.Dataset.from_arrays(X, Y), "balanced")
    totals = np.bincount(data.train.y, data.train.weight)
    np.testing.assert_allclose(totals, totals[0])
    assert data.train.weight.sum() == pytest.approx(len(data)) and data.validation.weight is None


def test_weights_by_name_multiply_those_of_examples():
    data = weighted(ms.Dataset.from_arrays(X, Y, weight=np.full(90, 2.0)), {1: 3.0, "2": 0.0})
    assert set(zip(data.train.y.tolist(), data.train.weight.tolist(), strict=True)) == {(0, 2 / 3), (1, 2.0)}


@pytest.mark.parametrize(
    ("data", "class_weight", "message"),
    [
        ((X, X[:, 0]), "balanced", "class_weight must be None without classes"),
        ((X, Y), "even", "class_weight must be 'balanced' or a weight by class name, got even"),
        ((X, Y), {7: 1.0}, "names among the classes 0, 1, 2, got '7'"),
        ((X, Y), {0: -1.0}, "finite weights ≥ 0"),
        ((X, Y), {0: 0, 1: 0, 2: 0}, "not all 0"),
    ],
)
def test_class_weights_that_are_refused(data, class_weight, message):
    with pytest.raises(ms.ArgumentError, match=message):
        weighted(as_dataset(data, None, 0), class_weight)


def test_class_weights_help_the_rare_class():
    x = np.concatenate([RNG.normal(0, 1, (950, 2)), RNG.normal(1, 1, (50, 2))]).astype(np.float32)
    y = np.repeat([0, 1], [950, 50])
    runs = [
        ms.train(ms.Network(ms.Linear(2)), (x, y), validation=0.3, class_weight=w, metrics=["balanced_accuracy"])
        for w in (None, "balanced")
    ]
    plain, balanced = (run.history[-1]["val_balanced_accuracy"] for run in runs)
    assert balanced > plain + 0.1


def test_data_frames_and_losses_decide_the_task():
    frame = {"a": X[:, 0], "b": X[:, 1], "y": Y}
    assert as_dataset(frame, 0.2, 0).task == "classification"
    assert as_dataset(frame, 0.2, 0, task="regression").task == "regression"
    ones = (X[:, :2] > 0).astype(float)
    assert as_dataset((X, ones[:, 0]), None, 0).task == "classification"
    assert as_dataset((X, ones[:, 0]), None, 0, loss=ms.MeanSquaredError()).task == "regression"
    assert as_dataset((X, ones), None, 0, loss=ms.BinaryCrossEntropy()).task == "multilabel"


def test_a_data_set_keeps_its_task():
    data = ms.Dataset.from_arrays(X, Y)
    with pytest.raises(ms.ArgumentError, match="task must be 'classification', as the data set has it"):
        as_dataset(data, None, 0, task="regression")
    table = ms.load({"a": X[:, 0], "y": X[:, 1]}, validation=None)
    held = as_dataset(table, 0.25, 0)
    assert held.encoding is table.encoding and held.target is table.target and len(held.validation) > 0


@pytest.mark.parametrize(("n", "couples", "size"), [(5, False, 5), (20, False, 20), (500, False, 32), (33, True, 31)])
def test_the_default_batch_fits(n, couples, size):
    assert default_batch_size(n, couples) == size
    assert not couples or n % size != 1


def test_defaults_follow_the_data():
    arrays, table = ms.Dataset.from_arrays(X, Y), ms.load({"a": X[:, 0], "y": Y})
    assert default_epochs(arrays, 32) == 10 and default_epochs(table, 32) > 100
    few = ms.load({"a": X[:20, 0], "y": X[:20, 1]}, validation=None)
    assert default_epochs(few, 20) == 200 and default_epochs(table, 32) * len(table) / 32 > 400
    values, one, two = (
        ms.Dataset.from_arrays(X, X[:, 0]),
        ms.Network(ms.Linear(1)),
        ms.Network(ms.Linear(4), ms.Linear(1)),
    )
    chosen = [default_optimizer(data, net) for data, net in ((arrays, one), (table, one), (values, one), (values, two))]
    assert chosen == [ms.SGD(lr=0.1), ms.SGD(lr=0.05), ms.Adam(lr=0.03), ms.Adam(lr=0.001)]


@pytest.mark.parametrize("n", [4, 10, 20, 33, 65])
def test_small_tables_train_by_default(n):
    frame = {"a": np.arange(n) * 1.5 + 3, "b": np.cos(np.arange(n)), "y": (np.arange(n) >= n / 2).astype(int)}
    for layers in ([ms.Linear(2)], [ms.Linear(8), ms.BatchNorm(), ms.ReLU(), ms.Linear(2)]):
        run = ms.train(ms.Network(*layers), ms.load(frame))
        assert np.isfinite(run.evaluate()["loss"])


def test_classes_may_be_numbers_in_weights_as_they_are_in_the_labels():
    y = np.arange(30) % 2
    weights = [
        weighted(as_dataset((np.eye(30), labels), None, 0), {label: 3.0}).train.weight
        for labels, label in ((y, 1), (y.astype(float), 1.0), (y.astype(np.float32), np.float32(1)), (y > 0, True))
    ]
    for weight in weights:
        np.testing.assert_array_equal(weight, weights[0])


@pytest.mark.parametrize("network", ["mlp:8", [ms.Linear(2)], ms.Linear(2), ms.Network, None])
def test_what_is_no_network_is_refused(network):
    with pytest.raises(DtypeError, match="network must be an ms.Network, got .*; (wrap the layers|call it)"):
        ms.train(network, (X, Y))


def test_text_is_shown_in_quotes():
    with pytest.raises(ArgumentError, match="epochs must be a positive number, got '10'; use 10"):
        ms.train(ms.Network(ms.Linear(3)), (X, Y), epochs="10")
