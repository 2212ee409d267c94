from __future__ import annotations

import numpy as np
import pytest

from minisgd.data.readers.npz import read_npz
from minisgd.errors import DataError

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize(
    ("x", "y"),
    [("x", "y"), ("X", "Y"), ("data", "target"), ("images", "labels"), ("features", "label"), ("x_train", "y_train"),
     ("X_train", "y_train"), ("train_images", "train_labels"), ("train_x", "train_y"), ("inputs", "targets")],
)  # fmt: skip
def test_usual_names(tmp_path, x, y):
    np.savez(tmp_path / "a.npz", **{x: X, y: Y, "other": X})
    arrays = read_npz(tmp_path / "a.npz")
    assert list(arrays) == ["train"] and arrays["train"][2] is None
    np.testing.assert_array_equal(arrays["train"][0], X)
    np.testing.assert_array_equal(arrays["train"][1], Y)


@pytest.mark.parametrize("pattern", ["{}_val", "val_{}", "{}_validation", "{}_valid"])
def test_named_splits_and_weights(tmp_path, pattern):
    np.savez_compressed(
        tmp_path / "a.npz",
        x_train=X, y_train=Y, weight_train=np.ones(6), x_test=X[:1], y_test=Y[:1],
        **{pattern.format("x"): X[:2], pattern.format("y"): Y[:2]},
    )  # fmt: skip
    arrays = read_npz(tmp_path / "a.npz")
    assert {role: len(parts[0]) for role, parts in arrays.items()} == {"train": 6, "validation": 2, "test": 1}
    np.testing.assert_array_equal(arrays["train"][2], np.ones(6))


def test_grey_images_get_a_channel(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 3, 4), np.uint8), y=Y)
    assert read_npz(tmp_path / "a.npz")["train"][0].shape == (6, 3, 4, 1)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, "arrays x and y of the train split, got arrays x;"),
        ({"weird": X, "y": Y}, "got arrays weird, y; save it with np.savez"),
        ({}, "got arrays none"),
        ({"x": X, "y": Y, "x_val": X}, "arrays x and y of the validation split"),
        ({"x": X, "y": np.array([1, None])}, "without object arrays"),
    ],
)
def test_missing_arrays(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=f"a.npz(, array .y.)? must be .*{message}"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("kept", [0, 1, 4, 40, 0.5, 0.9])
def test_truncated_archives(tmp_path, kept):
    path = tmp_path / "a.npz"
    np.savez(path, x=X, y=Y)
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(DataError, match="a.npz must be an .npz archive"):
        read_npz(path)


def test_damaged_values(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=(100, 10)), y=np.arange(100))
    content = bytearray(path.read_bytes())
    content[500:600] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(DataError, match="a.npz must be an .npz archive"):
        read_npz(path)


def test_other_files(tmp_path):
    np.save(tmp_path / "a.npy", X)
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_text("x,y\n1,2\n")
    for name in ("a.npz", "b.npz"):
        with pytest.raises(DataError, match=f"{name} must be an .npz archive"):
            read_npz(tmp_path / name)
    with pytest.raises(DataError, match="c.npz must be an existing file, got nothing at this path"):
        read_npz(tmp_path / "c.npz")
