from __future__ import annotations

import gzip
import os
import struct

import numpy as np
import pytest

from minisgd.data.readers.idx import read_idx, read_idx_folder
from minisgd.errors import DataError

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array: np.ndarray) -> bytes:
    """The IDX file of an array, written from the format's description."""
    header = bytes([0, 0, CODES[array.dtype.str[1:]], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_pair(folder, stem, n=3, suffix=""):
    pack = gzip.compress if suffix else bytes
    images = np.arange(n * 6, dtype=np.uint8).reshape(n, 2, 3)
    labels = np.arange(n, dtype=np.uint8)
    (folder / f"{stem}images-idx3-ubyte{suffix}").write_bytes(pack(idx_bytes(images)))
    (folder / f"{stem}labels-idx1-ubyte{suffix}").write_bytes(pack(idx_bytes(labels)))


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4), (1, 1, 1, 1)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_type_is_read_in_the_order_of_the_machine(tmp_path, dtype, shape, pack):
    array = np.random.default_rng(0).normal(0, 50, shape)
    array = np.clip(array, 0, 255).astype(dtype) if dtype == "u1" else np.clip(array, -100, 100).astype(dtype)
    (tmp_path / "file").write_bytes(pack(idx_bytes(array)))
    result = read_idx(tmp_path / "file")
    assert result.dtype == np.dtype(dtype) and result.dtype.isnative
    np.testing.assert_array_equal(result, array)


GOOD = idx_bytes(np.arange(12, dtype=np.uint8).reshape(3, 4))
ZIPPED = gzip.compress(GOOD * 40, mtime=0)  # no time stamp: it is part of the names of tests


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must be an IDX file.*got an empty file"),
        (b"\0\0", "got first bytes 00 00"),
        (b"\x89PNG", "got first bytes 89 50 4e 47"),
        (b"\0\0\x07\1", "got first bytes 00 00 07 01"),
        (b"\0\0\x08\0", "got first bytes 00 00 08 00"),
        (GOOD[:9], "must be an IDX file with 8 bytes of sizes, got 5 bytes"),
        (GOOD[:-1], r"must be 12 bytes of values for shape \(3, 4\), got 11 bytes"),
        (GOOD + b"x", r"must be 12 bytes of values for shape \(3, 4\), got more bytes"),
        (b"\0\0\x0e\4" + b"\xff" * 16 + b"few", "got 3 bytes"),
        (ZIPPED[:30], "must be a complete gzip or IDX file, got Compressed file ended"),
        (ZIPPED[:12], "must be a complete gzip or IDX file"),
        (ZIPPED[:-6] + b"123456", "must be a complete gzip or IDX file|got more bytes"),
        (b"\x1f\x8bnonsense", "must be a complete gzip or IDX file"),
        (gzip.compress(GOOD[:-1], mtime=0), "must be 12 bytes of values"),
        (gzip.compress(b"", mtime=0), "got an empty file"),
    ],
)
def test_damaged_files_are_named_with_what_they_hold(tmp_path, content, message):
    path = tmp_path / "damaged-idx"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"damaged-idx .*({message})"):
        read_idx(path)


def test_a_damaged_checksum_is_noticed(tmp_path):
    zipped = bytearray(gzip.compress(GOOD))
    zipped[-8] ^= 0xFF
    (tmp_path / "file").write_bytes(zipped)
    with pytest.raises(DataError, match="CRC check failed"):
        read_idx(tmp_path / "file")


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(DataError, match="absent must be an existing file, got nothing at this path"):
        read_idx(tmp_path / "absent")
    with pytest.raises(DataError, match="must be an existing file, got a folder"):
        read_idx(tmp_path)
    with pytest.raises(DataError, match="absent must be an existing folder, got nothing at this path"):
        read_idx_folder(tmp_path / "absent")


@pytest.mark.parametrize("stem", ["", "train-", "t10k-", "anything-", "emnist-letters-"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_one_pair_is_the_training_data(tmp_path, stem, suffix):
    write_pair(tmp_path, stem, suffix=suffix)
    (tmp_path / "README.md").write_text("other files are left alone")
    arrays = read_idx_folder(tmp_path)
    assert list(arrays) == ["train"]
    x, y, weight = arrays["train"]
    assert x.shape == (3, 2, 3, 1) and x.dtype == np.uint8 and weight is None
    np.testing.assert_array_equal(y, [0, 1, 2])


def test_names_tell_several_pairs_apart(tmp_path):
    write_pair(tmp_path, "train-", n=5)
    write_pair(tmp_path, "t10k-", n=2)
    write_pair(tmp_path, "val-", n=1)
    write_pair(tmp_path, "train-", n=5, suffix=".gz")  # the same file zipped is not a second pair
    assert {role: len(parts[1]) for role, parts in read_idx_folder(tmp_path).items()} == {
        "train": 5,
        "test": 2,
        "validation": 1,
    }


def test_names_in_use_elsewhere(tmp_path):
    write_pair(tmp_path, "train-")
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    assert list(read_idx_folder(tmp_path)) == ["train"]


def test_folders_that_cannot_be_told(tmp_path):
    with pytest.raises(DataError, match="got an empty folder"):
        read_idx_folder(tmp_path)
    (tmp_path / "notes.txt").write_text("no data")
    with pytest.raises(DataError, match="got notes.txt"):
        read_idx_folder(tmp_path)
    write_pair(tmp_path, "a-")
    write_pair(tmp_path, "b-")
    with pytest.raises(DataError, match="a folder whose pairs are named train"):
        read_idx_folder(tmp_path)


def test_a_test_pair_alone_with_validation_is_refused(tmp_path):
    write_pair(tmp_path, "t10k-")
    write_pair(tmp_path, "val-")
    with pytest.raises(DataError, match="must be a folder with a training pair"):
        read_idx_folder(tmp_path)
    write_pair(tmp_path, "test-")
    with pytest.raises(DataError, match="must be a folder with one test pair"):
        read_idx_folder(tmp_path)


def test_half_a_pair(tmp_path):
    write_pair(tmp_path, "train-")
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="train-images-idx3-ubyte must be one of a pair.*got only images"):
        read_idx_folder(tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [(1, 1, r"images-idx3 must be images \(N, H, W\), got"), (3, 2, r"labels-idx1 must be labels \(N,\), got")],
)
def test_wrong_dimensions(tmp_path, images, labels, message):
    (tmp_path / "images-idx3").write_bytes(idx_bytes(np.zeros((2,) * images, np.uint8)))
    (tmp_path / "labels-idx1").write_bytes(idx_bytes(np.zeros((2,) * labels, np.uint8)))
    with pytest.raises(DataError, match=message):
        read_idx_folder(tmp_path)


@pytest.mark.skipif("MINISGD_MNIST" not in os.environ, reason="MINISGD_MNIST names no folder with the MNIST files")
def test_mnist():
    x, y, _ = read_idx_folder(os.environ["MINISGD_MNIST"])["train"]
    assert x.shape[1:] == (28, 28, 1) and x.dtype == np.uint8
    if len(y) == 10_000:
        np.testing.assert_array_equal(y[:10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
        np.testing.assert_array_equal(np.bincount(y), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
