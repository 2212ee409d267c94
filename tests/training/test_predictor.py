"""Preprocessing is part of the trained model: raw examples in, answers out, from memory and from the file."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import minisgd as ms
from minisgd.nn.weights import read_weights

N = 120


def raw_columns():
    rng = np.random.default_rng(0)
    size, colour = rng.normal(50, 9, N), np.array(["red", "blue"], object)[rng.integers(2, size=N)]
    price = 1000 * size + 20_000 * (colour == "red")
    size[:3] = np.nan
    return {"id": np.arange(N), "size": size, "colour": colour, "price": price}


def trained(columns, **options):
    data = ms.load(columns, **options)
    return ms.train(ms.Network(ms.Linear(16), ms.ReLU(), ms.Linear(data.n_outputs)), data)


@pytest.fixture(scope="module")
def prices():
    return trained(raw_columns())


def test_values_are_in_the_units_of_the_target(prices):
    columns = raw_columns()
    answers = prices.predict(columns)
    assert answers.shape == (N,)
    assert np.abs(answers - columns["price"])[3:].mean() < 0.2 * columns["price"].std()


def forms(columns, folder):
    """The same rows in every form that predict takes."""
    features = {name: values for name, values in columns.items() if name != "price"}
    yield features
    yield dict(reversed(features.items())) | {"extra": np.ones(N)}
    yield [dict(zip(features, row, strict=True)) for row in zip(*features.values(), strict=True)]
    yield [list(row) for row in zip(*features.values(), strict=True)]
    with (folder / "t.csv").open("w", newline="") as stream:
        rows = zip(*features.values(), strict=True)
        csv.writer(stream, delimiter=";").writerows([list(features), *([str(c) for c in row] for row in rows)])
    yield folder / "t.csv"
    for library, make in (("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "table")):
        try:
            yield getattr(__import__(library), make)(features)
        except ImportError:
            continue


def test_every_form_of_raw_rows_gives_the_same(prices, tmp_path):
    expected = prices.predict(raw_columns())
    for form in forms(raw_columns(), tmp_path):
        np.testing.assert_allclose(prices.predict(form), expected, rtol=1e-5)


def test_a_missing_column_is_named(prices):
    columns = raw_columns()
    del columns["colour"]
    with pytest.raises(ms.DataError, match="got none called colour"):
        prices.predict(columns)
    with pytest.raises(ms.ShapeError, match="x must be rows of 3 cells, one for each of id, size, colour"):
        prices.predict([[1, 2]])


@pytest.mark.parametrize(
    ("labels", "kind"),
    [(["yes", "no"], "U"), ([3, 7], "i"), ([True, False], "b"), ([1.0, 0.0], "i"), ([0.5, 1.5], "f")],
)
def test_labels_come_back_as_they_were(labels, kind):
    columns = raw_columns()
    columns["price"] = np.array(labels)[(columns["colour"] == "red").astype(int)]
    run = trained(columns, task="classification")
    found = run.predict_labels(columns)
    assert found.dtype.kind == kind
    assert (found == columns["price"]).mean() > 0.95
    chances = run.predict_proba(columns)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_array_equal(chances.argmax(axis=1), run.predict(columns).argmax(axis=1))


def test_several_labels():
    columns = raw_columns()
    del columns["price"]
    columns["a"] = (columns["colour"] == "red") * 1.0
    columns["b"] = (np.nan_to_num(columns["size"], nan=50) > 45) * 1.0
    run = trained(columns, target=["a", "b"], task="multilabel")
    assert run.data.task == "multilabel" and run.data.classes == ("a", "b")
    assert run.predict_labels(columns).shape == run.predict_proba(columns).shape == (N, 2)
    assert (run.predict_labels(columns)[:, 0] == columns["a"]).mean() > 0.9


def test_arrays_standardized_before_training():
    rng = np.random.default_rng(0)
    x = rng.normal([0, 1000], [1, 50], (200, 2))
    y = (x[:, 1] > 1000).astype(int)
    data = ms.Dataset.from_arrays(x, y).standardized()
    run = ms.train(ms.Network(ms.Linear(2)), data)
    assert (run.predict_labels(x) == y).mean() > 0.95
    assert run.predict_labels(x.tolist()).dtype.kind == "i"


def test_bytes_and_the_same_pixels_as_floats():
    x = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 1), dtype=np.uint8)
    run = ms.train(ms.Network(ms.Flatten(), ms.Linear(2)), (x, np.arange(60) % 2), epochs=1)
    for dtype in (np.float32, np.float64, np.int64):
        np.testing.assert_allclose(run.predict(x.astype(dtype)), run.predict(x), rtol=1e-4, atol=1e-5)
    with pytest.raises(ms.DataError, match="unscaled like the training data, which were multiplied by 1/255"):
        run.predict(x.astype(np.float32) / 255)


def test_the_shape_of_predictions_is_that_of_the_targets():
    x = np.random.default_rng(0).normal(size=(80, 3))
    for y in (x[:, 0], x[:, :1], x[:, :2]):
        width = 1 if y.ndim == 1 else y.shape[1]
        run = ms.train(
            ms.Network(ms.Linear(width)), (x, y), validation=0.2, metrics={"same": lambda y, p: y.shape == p.shape}
        )
        assert run.predict(x).shape == y.shape
        assert run.history[-1]["val_same"] == 1


def test_what_a_regression_has_no(prices):
    for method in (prices.predict_proba, prices.predict_labels):
        with pytest.raises(ms.ArgumentError, match="called on a model of classes, got a regression; call predict"):
            method(raw_columns())
    with pytest.raises(ms.ArgumentError, match="confusion_matrix must be called on a classification"):
        prices.confusion_matrix()


def test_confusion_counts():
    run = ms.train(ms.Network(ms.Linear(10)), ms.datasets.digits(), epochs=3)
    counts = run.confusion_matrix()
    assert counts.shape == (10, 10) and counts.sum() == len(run.data.validation)
    assert np.trace(counts) / counts.sum() == pytest.approx(run.evaluate()["accuracy"])


# ------------------------------------------------ files


def test_the_file_has_it_all(prices, tmp_path):
    path = prices.save(tmp_path / "w.safetensors")
    model = ms.load_model(path)
    np.testing.assert_array_equal(model.predict(raw_columns()), prices.predict(raw_columns()))
    plain = prices.network.load(path)
    x = prices.data.validation.x
    np.testing.assert_array_equal(plain.predict(x), prices.network.predict(x))


def rewritten(path, **changes):
    about = read_weights(path)[1] | changes
    save_file(load_file(path), path, {name: text for name, text in about.items() if text is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preprocessing": None}, "preprocessing must be in the file, as run.save"),
        ({"preprocessing": "{"}, "preprocessing must be as minisgd writes it"),
        ({"preprocessing": "[]"}, "preprocessing must be as minisgd writes it"),
        ({"preprocessing": '{"version": 99}'}, "preprocessing must be of version 1, got 99"),
        ({"preprocessing": '{"version": 1}'}, "preprocessing must be as minisgd writes it"),
        ({"output_scale": "[[1.0], [0.0]]"}, "output_scale must be means and standard deviations of 1 outputs"),
        ({"output_scale": "[[1.0, 2.0], [1.0, 1.0]]"}, "output_scale must be means"),
        ({"output_scale": "3"}, "output_scale must be means"),
    ],
)
def test_damaged_metadata_is_refused(prices, tmp_path, changes, message):
    path = prices.save(tmp_path / "w.safetensors")
    rewritten(path, **changes)
    with pytest.raises(ms.CheckpointError, match=message):
        ms.load_model(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"task": "regression"', '"task": "guess"'),
        ('"task": "regression"', '"task": "classification"'),
        ('"scalar": true', '"scalar": 1'),
        ('"scale": 1.0', '"scale": -1.0'),
        ('"kind": "number"', '"kind": "numbers"'),
        ('"outputs": 1', '"outputs": 0'),
        ('"input_shape": [', '"input_shape": [1, '),
        ('"columns": ["id"', '"columns": [3'),
        ('"labels": "text"', '"labels": "words"'),
    ],
)
def test_every_field_is_validated(prices, tmp_path, old, new):
    path = prices.save(tmp_path / "w.safetensors")
    text = read_weights(path)[1]["preprocessing"]
    assert old in text
    rewritten(path, preprocessing=text.replace(old, new, 1))
    with pytest.raises(ms.CheckpointError, match="preprocessing must be as minisgd writes it"):
        ms.load_model(path)


def test_every_position_of_a_sequence_has_its_own_class():
    x = np.random.default_rng(0).integers(0, 5, (80, 6))
    data = ms.Dataset.from_arrays(x, (x + 1) % 5, classes=tuple("abcde"))
    net, rate = ms.Network(ms.Embedding(5, 16), ms.Linear(5)), ms.Adam(lr=0.05)
    run = ms.train(net, data, loss=ms.TokenCrossEntropy(), optimizer=rate, epochs=100, metrics=["accuracy"])
    np.testing.assert_allclose(run.predict_proba(x).sum(axis=-1), 1, rtol=1e-12)
    assert run.predict_labels([[0, 1, 2, 3, 4, 4]]).tolist() == [["b", "c", "d", "e", "a", "a"]]
    assert run.history[-1]["val_accuracy"] == 1
