from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisgd.data.dataset import Dataset
from minisgd.data.split import Split
from minisgd.errors import ArgumentError, DataError, DtypeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
Y = np.arange(40) % 4


def rows_of(part: np.ndarray, whole: np.ndarray) -> list[int]:
    """Which rows of the whole these are."""
    return [int(np.flatnonzero((whole == row).all(axis=1))[0]) for row in part]


def test_a_data_set_knows_itself():
    data = Dataset.from_arrays(X, Y, name="toy")
    assert (data.task, data.n_classes, data.n_outputs, data.input_shape) == ("classification", 4, 4, (3,))
    assert len(data) == data.n_train == 32 and list(data.splits) == ["train", "validation"]
    assert data.classes == ("0", "1", "2", "3") and data.scale == 1
    assert data.describe() == "toy: 32 train + 8 validation, features 3 float32, classification, 4 classes"
    np.testing.assert_array_equal(np.bincount(data.validation.y), [2, 2, 2, 2])


@pytest.mark.parametrize(("y", "outputs"), [(X[:, 0], 1), (X[:, :1], 1), (X[:, :2], 2)])
def test_floats_make_a_regression(y, outputs):
    data = Dataset.from_arrays(X, y)
    assert (data.task, data.n_classes, data.n_outputs) == ("regression", 0, outputs)
    assert data.describe().endswith(f"regression, {outputs} output{'s' * (outputs > 1)}")
    assert len(data.validation) == 8 and data.train.y.dtype == np.float32


def test_examples_targets_and_weights_stay_together():
    weight = np.arange(1, 41.0)
    data = Dataset.from_arrays(X, Y, weight=weight)
    for split in data.splits.values():
        rows = rows_of(split.x, X)
        assert rows == sorted(rows)
        np.testing.assert_array_equal(split.y, Y[rows])
        np.testing.assert_allclose(split.weight, weight[rows] / weight[rows].mean(), rtol=1e-12)
    assert sorted(rows_of(data.train.x, X) + rows_of(data.validation.x, X)) == list(range(40))


def test_the_seed_decides_which_rows_are_held_out():
    first, again, other = (Dataset.from_arrays(X, Y, seed=seed).validation.x for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.floats(0.01, 0.99))
def test_no_class_is_lost(labels, fraction):
    counts = np.bincount(labels)
    if (counts > 0).sum() < 2 or counts.max() < 2:
        return
    data = Dataset.from_arrays(np.zeros((len(labels), 1)), labels, validation=fraction)
    assert len(np.unique(data.train.y)) == (counts > 0).sum()
    assert len(np.unique(data.validation.y)) == (counts > 1).sum()


@pytest.mark.parametrize("validation", [0, 0.0, None])
def test_nothing_need_be_held_out(validation):
    data = Dataset.from_arrays(X, Y, validation=validation)
    assert data.validation is None and data.train.x is X


@pytest.mark.parametrize("wrap", [lambda x, y: (x, y), Split, lambda x, y: (x, y, np.ones(len(y)))])
def test_splits_may_be_brought_along(wrap):
    data = Dataset.from_arrays(X, Y, validation=wrap(X[:4], Y[:4]), test=wrap(X[4:6], Y[4:6]))
    assert [len(split) for split in data.splits.values()] == [40, 4, 2]
    assert list(data.splits) == ["train", "validation", "test"]


def test_soft_labels_are_classification():
    soft = np.eye(4)[Y]
    data = Dataset.from_arrays(X, soft, classes=("a", "b", "c", "d"))
    assert data.task == "classification" and data.n_classes == 4
    np.testing.assert_array_equal(data.validation.y.sum(axis=0), [2, 2, 2, 2])


def test_bytes_are_scaled_to_one():
    images = RNG.integers(0, 256, (40, 4, 4, 1), dtype=np.uint8)
    assert Dataset.from_arrays(images, Y).scale == 1 / 255
    assert "features 4×4×1 uint8 · 1/255" in Dataset.from_arrays(images, Y).describe()
    assert Dataset.from_arrays(np.tile(np.uint8([0, 16]), (40, 1)), Y).scale == 1 / 16
    assert Dataset.from_arrays(np.tile(np.uint8([0, 1]), (40, 1)), Y).scale == 1
    assert Dataset.from_arrays(np.zeros((40, 1), np.uint8), Y).scale == 1
    assert Dataset.from_arrays(images, Y, scale=0.5).scale == 0.5


def test_standardizing_uses_the_training_split_alone():
    data = Dataset.from_arrays(X, Y, test=(X[:3] + 10, Y[:3]), scale=2.0).standardized()
    np.testing.assert_allclose(data.train.x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(data.train.x.std(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(data.test.x, data.standardization.apply(X[:3] + 10))
    assert abs(data.validation.x.mean()) > 1e-3 and data.test.x.mean() > 5
    assert data.scale == 1 and "float32 standardized" in data.describe()
    with pytest.raises(DataError, match="float features to standardize, got uint8"):
        Dataset.from_arrays(np.zeros((40, 1), np.uint8), Y).standardized()


def test_a_subset_keeps_class_shares_and_other_splits():
    data = Dataset.from_arrays(X, Y)
    small = data.subset(8, seed=3)
    np.testing.assert_array_equal(np.bincount(small.train.y), [2, 2, 2, 2])
    assert small.validation is data.validation and data.subset(32).train.x.shape == (32, 3)
    np.testing.assert_array_equal(small.train.x, data.subset(8, seed=3).train.x)
    assert len(Dataset.from_arrays(X, X).subset(5)) == 5
    for n in (0, 33):
        with pytest.raises(ArgumentError, match="n must be from 1 to N = 32"):
            data.subset(n)


class TestMemoryMapped:
    def mapped(self, folder, x):
        np.save(folder / "x.npy", x)
        return np.load(folder / "x.npy", mmap_mode="r")

    def test_the_last_rows_are_held_out_as_views(self, tmp_path):
        x = self.mapped(tmp_path, X)
        data = Dataset.from_arrays(x, Y)
        assert isinstance(data.train.x, np.memmap) and np.shares_memory(data.train.x, x)
        np.testing.assert_array_equal(data.validation.x, X[32:])
        np.testing.assert_array_equal(data.validation.y, Y[32:])

    @pytest.mark.parametrize("dogs", [8, 16, 4])
    def test_of_a_sorted_file_both_parts_have_every_class(self, tmp_path, dogs):
        x = self.mapped(tmp_path, X)
        data = Dataset.from_arrays(x, ["cat"] * (40 - dogs) + ["dog"] * dogs)
        assert len(data.validation) == 8
        for split in data.splits.values():
            assert set(split.y) == {0, 1}
            np.testing.assert_array_equal(split.y, np.array(rows_of(split.x, X)) >= 40 - dogs)

    def test_a_sorted_file_that_is_large_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr("minisgd.data.holdout._SHUFFLED_IN_MEMORY", 100)
        x = self.mapped(tmp_path, X)
        with pytest.raises(DataError, match="shuffled order.*got 8 of 8 'dog' among these; shuffle the file once"):
            Dataset.from_arrays(x, ["cat"] * 32 + ["dog"] * 8)
        with pytest.raises(DataError, match="got 0 of 60 'cat' among these|got 30 of 40 'dog' among these"):
            Dataset.from_arrays(self.mapped(tmp_path, np.ones((100, 1))), ["cat"] * 60 + ["dog"] * 40, validation=0.3)

    def test_a_file_in_random_order_is_taken_for_one(self, tmp_path):
        x = self.mapped(tmp_path, np.ones((1000, 1), np.float32))
        for seed in range(20):
            y = np.random.default_rng(seed).integers(5, size=1000)
            assert isinstance(Dataset.from_arrays(x, y).train.x, np.memmap)

    def test_regression_and_single_rows(self, tmp_path):
        x = self.mapped(tmp_path, X)
        assert len(Dataset.from_arrays(x, X[:, 0]).validation) == 8
        with pytest.raises(DataError, match="y must be labels with two examples"):
            Dataset.from_arrays(self.mapped(tmp_path, X[:1]), X[:1, 0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(validation=1), ArgumentError, r"validation must be a fraction in \[0, 1\).*got 1.0"),
        (dict(validation=-0.1), ArgumentError, "validation must be"),
        (dict(validation=float("nan")), ArgumentError, "validation must be"),
        (dict(validation="half"), ArgumentError, r"validation must be .*\(x, y\)"),
        (dict(validation=(X,)), ArgumentError, r"validation must be .*\(x, y\)"),
        (dict(seed=-1), ArgumentError, "seed must be an integer ≥ 0"),
        (dict(seed=0.5), ArgumentError, "seed must be an integer ≥ 0"),
        (dict(scale=0.0), DataError, "scale must be positive"),
        (dict(scale=float("nan")), DataError, "scale must be positive"),
        (dict(weight=np.ones(3)), DataError, "weight must be of length 40"),
        (dict(task="guess"), ArgumentError, "task must be 'classification'"),
        (dict(weight=-np.ones(40)), DataError, "weight must be ≥ 0"),
        (dict(test=(X[:2, :2], Y[:2])), DataError, "test: x must be rows of shape"),
        (dict(test=(X[:2], Y[:3])), DataError, "test: y must be of length 2"),
        (dict(test=(X[:2].astype(np.uint8), Y[:2])), DataError, "test: x must be .* float32 like the training split"),
        (dict(validation=(X[:2], [7, 8])), DataError, "validation: y must be labels among the 4 known classes"),
        (dict(validation=(X[:2], [0.5, 1.5])), DataError, "validation: y must be"),
        (dict(validation=(X[:2] * np.nan, [0, 1])), DataError, "validation: x must be finite everywhere"),
        (dict(classes=("a", "b")), DataError, "codes from 0 to 1"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Dataset.from_arrays(X, Y, **arguments)


@pytest.mark.parametrize(("x", "y"), [(np.float64(3), Y), (X, np.int64(1)), (5, Y), (np.float64(3), np.int64(1))])
def test_data_without_rows_are_refused_with_weights_too(x, y):
    with pytest.raises((DataError, DtypeError), match="[xy] must be"):
        Dataset.from_arrays(x, y, weight=np.arange(40) % 2)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, Y[:39], "y must be of length 40"),
        (X[:0], Y[:0], "at least one label"),
        (X[:0], X[:0, 0], "x must be an array of at least one example"),
        (X[:, 0], Y, r"got shape \(40,\); use x.reshape"),
        (np.float64(3), Y, r"got shape \(\)"),
        (X, Y * 0, "at least two classes, got only '0'"),
        (X[:4], [0, 1, 2, 3], "no two of one class; add examples"),
        (X[:1], X[:1, 0], "so that a validation part can be held out"),
        (np.where(np.arange(40)[:, None] == 17, np.nan, X), Y, "x must be finite everywhere, got nan in row 17"),
        (X, np.where(np.arange(40) == 9, np.inf, 0.5), "y must be finite everywhere, got inf in row 9"),
        (X.astype(object), Y, "got dtype object"),
    ],
)
def test_bad_arrays_are_refused(x, y, message):
    with pytest.raises(DataError, match=message):
        Dataset.from_arrays(x, y)


@pytest.mark.parametrize(
    ("split", "classes", "message"),
    [
        (Split(X, Y), None, "train: classes must be the names of the classes"),
        (Split(X, Y), ("a", "b"), "train: y must be codes from 0 to 1, got int64 from 0 to 3"),
        (Split(X, X[:, 0]), ("a", "b"), "train: y must be codes"),
        (Split(X, X), ("a", "b"), r"train: y must be soft labels \(N, 2\)"),
    ],
)
def test_splits_must_fit_the_classes(split, classes, message):
    with pytest.raises(DataError, match=message):
        Dataset("toy", split, classes=classes)


def test_rows_of_weight_zero_are_absent():
    weight = np.arange(40) % 3 * 1.0
    data = Dataset.from_arrays(X, Y, weight=weight, test=(X[:4], Y[:4], np.array([0, 1, 0, 1.0])))
    alone = Dataset.from_arrays(X[weight > 0], Y[weight > 0], weight=weight[weight > 0], test=(X[[1, 3]], Y[[1, 3]]))
    for mine, other in zip(data.splits.values(), alone.splits.values(), strict=True):
        np.testing.assert_array_equal(mine.x, other.x)
        np.testing.assert_array_equal(mine.y, other.y)
    np.testing.assert_array_equal(data.train.weight, alone.train.weight)
    assert all(split.weight.all() for split in data.splits.values())


def test_rows_of_weight_zero_may_hold_anything():
    x, y, weight = X.copy(), Y.astype(object), np.ones(40)
    x[7], y[7], weight[7] = np.nan, 9, 0
    data = Dataset.from_arrays(x, y, weight=weight)
    assert data.classes == ("0", "1", "2", "3") and len(data.train) + len(data.validation) == 39


def test_weights_have_a_mean_of_one():
    twice = Dataset.from_arrays(X, Y, weight=np.full(40, 2.0), validation=None).train.weight
    np.testing.assert_array_equal(twice, 1.0)
    split = Split(X, Y, np.linspace(1, 2, 40)).normalized()
    assert split.weight.mean() == pytest.approx(1, abs=1e-12) and split.normalized() is split


@pytest.mark.parametrize(
    ("y", "task", "names", "reason"),
    [
        (Y % 2 * 1.0, "classification", ("0", "1"), "only 0 and 1"),
        (np.eye(4)[Y], "classification", ("0", "1", "2", "3"), "one 1 in every row"),
        (Y.astype(str), "classification", ("0", "1", "2", "3"), "text"),
        (np.arange(40) * 50 + 1900, "regression", None, "40 distinct integers that do not count"),
        (np.eye(4)[Y] + np.eye(4)[0], "regression", None, "4 columns of numbers"),
        (np.maximum(np.eye(4)[Y], np.eye(4)[Y % 2]), "multilabel", ("0", "1", "2", "3"), "0 or 1 in every column"),
        (X[:, 0], "regression", None, "floats"),
    ],
)
def test_the_task_of_arrays_is_guessed(y, task, names, reason):
    data = Dataset.from_arrays(X, y)
    assert (data.task, data.classes) == (task, names) and data.target.reason.startswith(reason)


def test_the_task_may_be_said():
    assert Dataset.from_arrays(X, Y, task="regression").train.y.dtype.kind == "f"
    assert Dataset.from_arrays(X, Y * 1.0, task="classification").classes == ("0", "1", "2", "3")
    assert Dataset.from_arrays(X, Y % 2 * 1.0, task="regression").task == "regression"


def test_regression_targets_are_standardized_by_the_training_split():
    y = X[:, 0] * 30 + 1000
    data, plain = Dataset.from_arrays(X, y, standardize_target=True), Dataset.from_arrays(X, y)
    assert data.train.y.mean() == pytest.approx(0, abs=1e-4) and data.train.y.std() == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(
        data.target.scale.restore(data.validation.y[:, None])[:, 0], plain.validation.y, rtol=1e-5
    )
    assert plain.target.scale is None


def test_a_class_may_be_missing_in_the_training_split():
    few = Y != 3
    data = Dataset.from_arrays(X[few], Y[few], validation=(X, Y))
    assert data.n_classes == 4 and set(data.train.y) == {0, 1, 2} and set(data.validation.y) == {0, 1, 2, 3}
