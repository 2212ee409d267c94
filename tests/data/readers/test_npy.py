from __future__ import annotations

import numpy as np
import pytest

from minisgd.data.readers.npy import read_npy_pair
from minisgd.errors import DataError

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])


def write(folder, x=X, y=Y):
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    return folder / "x.npy", folder / "y.npy"


def test_features_are_mapped_and_targets_read(tmp_path):
    x, y, weight = read_npy_pair(*write(tmp_path))["train"]
    assert isinstance(x, np.memmap) and not isinstance(y, np.memmap) and weight is None
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


def test_grey_images_stay_mapped(tmp_path):
    x = read_npy_pair(*write(tmp_path, np.zeros((6, 3, 4), np.uint8)))["train"][0]
    assert x.shape == (6, 3, 4, 1) and isinstance(x, np.memmap)


@pytest.mark.parametrize("which", ["x.npy", "y.npy"])
@pytest.mark.parametrize(
    "content", [lambda b: b"", lambda b: b[:5], lambda b: b[:60], lambda b: b[:-1], lambda b: b"1,2,3\n" * 30]
)
def test_damaged_files_are_named(tmp_path, which, content):
    pair = write(tmp_path)
    (tmp_path / which).write_bytes(content((tmp_path / which).read_bytes()))
    with pytest.raises(DataError, match=f"{which} must be a .npy file"):
        read_npy_pair(*pair)


def test_files_of_another_kind(tmp_path):
    pair = write(tmp_path, y=np.array(["a", None] * 3))
    with pytest.raises(DataError, match="y.npy must be .*without object arrays"):
        read_npy_pair(*pair)
    with (tmp_path / "y.npy").open("wb") as stream:
        np.savez(stream, y=Y)
    with pytest.raises(DataError, match="y.npy must be a .npy file, got an .npz archive"):
        read_npy_pair(*pair)
    pair[1].unlink()
    with pytest.raises(DataError, match="y.npy must be an existing file, got nothing at this path"):
        read_npy_pair(*pair)
