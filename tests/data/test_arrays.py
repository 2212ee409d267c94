"""Data frames and arrays with their targets beside them, as ``ms.train`` and ``Dataset.from_arrays`` take them."""

from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.data import Dataset
from minisgd.data.tables.frames import read_frame
from minisgd.errors import ArgumentError, DataError

RNG = np.random.default_rng(0)
N = 120
COLUMNS = {
    "row": np.arange(N),
    "size": np.where(np.arange(N) == 3, np.nan, RNG.normal(50, 20, N)),
    "city": RNG.choice(["Graz", "Wien", "Linz"], N),
}
PRICE = np.nan_to_num(COLUMNS["size"], nan=50.0) * 3 + 40 * (COLUMNS["city"] == "Wien")
LABELS = np.where(PRICE > 165, "dear", "cheap")


def frame():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(COLUMNS)


def test_the_columns_beside_a_target_are_read_by_the_rules_of_tables():
    data = Dataset.from_arrays(frame(), PRICE)
    assert data.encoding.features() == ["size", "size missing", "city=Graz", "city=Linz", "city=Wien"]
    assert [d.kind for d in data.decisions] == ["dropped", "number", "category"] and data.columns == tuple(COLUMNS)
    assert data.task == "regression" and len(data.validation) == 24 and data.target.scale is None
    np.testing.assert_allclose(data.train.x[:, 0].mean(), 0, atol=1e-6)  # by the training rows alone


@pytest.mark.parametrize("kind", ["data frame", "dictionary", "list of dictionaries"])
def test_every_kind_of_frame_and_the_model_takes_raw_rows(kind):
    x = frame() if kind == "data frame" else COLUMNS
    if kind == "list of dictionaries":
        x = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]
    run = ms.train(ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(1)), (x, PRICE), validation=0.2, metrics=["r2"])
    expected = run.predict(COLUMNS)
    assert expected.shape == (N,) and run.history[-1]["val_r2"] > 0.9
    shuffled = {name: COLUMNS[name] for name in ("city", "size")}  # the row numbers are not missed
    np.testing.assert_array_equal(run.predict(shuffled), expected)
    rows = list(zip(*(values.tolist() for values in COLUMNS.values()), strict=True))
    np.testing.assert_array_equal(run.predict(rows), expected)


def test_labels_and_names_of_pandas():
    pandas = pytest.importorskip("pandas")
    x = frame()
    run = ms.train(ms.Network(ms.Linear(2)), (x, pandas.Series(LABELS, name="cost")), validation=0.2)
    assert run.data.classes == ("cheap", "dear") and run.data.target.names == ("cost",)
    assert set(run.predict_labels(x)) <= {"cheap", "dear"}
    targets = pandas.DataFrame({"p": PRICE, "q": -PRICE})
    assert ms.train(ms.Network(ms.Linear(2)), (x, targets), steps=2).predict(x).shape == (N, 2)
    with pytest.raises(DataError, match=r"y must be in the order of x.*pass y.loc\[x.index\]"):
        Dataset.from_arrays(x, pandas.Series(PRICE).sample(frac=1, random_state=0))
    assert len(Dataset.from_arrays(x[20:], pandas.Series(PRICE[20:]), validation=None)) == N - 20  # by position


def test_other_splits_of_a_frame():
    x = frame()
    data = Dataset.from_arrays(
        x[:80], PRICE[:80], validation=(x[80:100], PRICE[80:100]), test=(x[100:], PRICE[100:], np.arange(20))
    )
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 80, "validation": 20, "test": 19}
    np.testing.assert_array_equal(data.validation.x, data.encoding.apply(read_frame(x[80:100])))


def test_rows_of_weight_zero_do_not_enter_the_rules():
    weight = (np.arange(N) % 4 > 0) * 1.0
    x = frame()
    alone = Dataset.from_arrays(x[weight > 0], PRICE[weight > 0])
    x.loc[weight == 0, "city"], x.loc[weight == 0, "size"] = "Nowhere", 1e9
    data = Dataset.from_arrays(x, PRICE, weight=weight)
    assert data.encoding.rules == alone.encoding.rules
    np.testing.assert_array_equal(data.validation.x, alone.validation.x)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(y=PRICE[:-1]), DataError, "x: y must be of length 120"),
        (dict(weight=np.ones(3)), DataError, "x: weight must be of length 120"),
        (dict(scale=2.0), ArgumentError, "scale must be left out for a data frame"),
        (dict(validation=(COLUMNS["row"][:, None], PRICE)), ms.ShapeError, "validation: x must be rows of 3 cells"),
        (dict(validation=({"city": ["Graz"]}, [1.0])), DataError, "none called size"),
        (dict(validation=1.0), ArgumentError, "validation must be a fraction"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Dataset.from_arrays(COLUMNS, **({"y": PRICE} | arguments))


def test_a_frame_does_not_validate_arrays():
    with pytest.raises(DataError, match="validation: x must be an array like the training examples"):
        Dataset.from_arrays(np.zeros((N, 3)), PRICE, validation=(COLUMNS, PRICE))


# ------------------------------------------------ a validation split for a data set


@pytest.mark.parametrize("first", [0, 1])
def test_labels_of_a_later_validation_split_are_read_by_name(first):
    x, y = np.eye(3)[np.arange(90) % 3] + RNG.normal(0, 0.1, (90, 3)), np.arange(90) % 3 + first
    data = Dataset.from_arrays(x, y, validation=None)
    run = ms.train(ms.Network(ms.Linear(3)), data, validation=(x, y), epochs=20)
    assert run.history[-1]["val_accuracy"] > 0.95
    named = Dataset.from_arrays(x, y - first, classes=("7", "8", "9"), validation=None)  # codes, as there
    assert ms.train(ms.Network(ms.Linear(3)), named, validation=(x, y - first), epochs=20).evaluate()["accuracy"] > 0.95


def test_values_of_a_later_validation_split_are_in_their_units():
    data = ms.load(COLUMNS | {"price": PRICE}, validation=None)
    net = ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(1))
    run = ms.train(net, data, validation=(COLUMNS, PRICE), metrics=["r2"])
    assert run.history[-1]["val_r2"] > 0.9 and run.history[-1]["val_loss"] < 0.1
    x = np.stack([COLUMNS["row"], PRICE], axis=1) * [1.0, 1e3]
    arrays = Dataset.from_arrays(x, PRICE, validation=None, standardize_target=True).standardized()
    assert ms.train(net, arrays, validation=(x, PRICE), metrics=["r2"], epochs=100).history[-1]["val_r2"] > 0.9


@pytest.mark.parametrize(
    ("y", "task", "labels"),
    [
        (np.array([2, 0] * 5, dtype=object), "classification", [2, 0]),
        (np.array([np.int8(2), 0] * 5, dtype=object), "classification", [2, 0]),
        (np.array([True, False] * 5, dtype=object), "classification", [True, False]),
        (np.array(["b", "a"] * 5, dtype=object), "classification", ["b", "a"]),
        (np.array([2**63, 0] * 5, dtype=np.uint64), "classification", [2**63, 0]),
        (np.eye(3, dtype=bool)[[0, 1, 2, 1] * 3], "classification", [0, 1, 2]),
        (np.array([1.5, 2] * 5, dtype=object), "regression", None),
        (np.array([[1, 0, 0], [1, 1, 0]] * 5), "multilabel", None),
    ],
)
def test_targets_are_what_they_stand_for(y, task, labels):
    """Predictions are compared with the labels that were given: they are of the same kind."""
    x = np.arange(2 * len(y)).reshape(-1, 2) % 7
    outputs = 3 if task == "multilabel" else len(labels or [0])
    run = ms.train(ms.Network(ms.Linear(outputs)), (x, y), epochs=1)
    assert run.data.task == task
    if labels:
        found = run.predict_labels(x)
        assert found.dtype == np.array(labels).dtype and set(found) <= set(labels)


def test_units_of_targets_have_their_digits():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    for scale, offset in ((1.0, 1e9), (1e50, 0.0), (1e-50, 0.0)):
        y = x @ [1.0, -2.0, 3.0] * scale + offset
        run = ms.train(ms.Network(ms.Linear(1)), (x, y), validation=0.2, epochs=40, metrics=["r2"])
        assert run.evaluate()["r2"] > 0.99
        assert np.corrcoef(run.predict(x) - offset, y - offset)[0, 1] > 0.99


def test_classes_have_names_unlike_each_other():
    with pytest.raises(ms.DataError, match="classes must be names unlike each other, got a, a"):
        ms.Dataset.from_arrays(np.eye(4), np.array([0, 1, 0, 1]), classes=("a", "a"))


def test_a_feature_that_is_called_like_the_target_is_not_left_out():
    pandas = pytest.importorskip("pandas")
    x = pandas.DataFrame({"a": np.arange(40.0) % 7, "b": np.arange(40.0) % 5})
    labels = pandas.Series(np.arange(40) % 2, name="a")
    with pytest.raises(DataError, match="y must be called unlike the columns of x, got 'a'; leave the column 'a' out"):
        ms.train(ms.Network(ms.Linear(2)), (x, labels), epochs=1)
    x["label"] = labels
    run = ms.train(ms.Network(ms.Linear(2)), (x, x["label"]), epochs=1)
    assert run.data.columns == ("a", "b")
