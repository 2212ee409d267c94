from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from minisgd.data.sources import load
from minisgd.errors import ArgumentError, DataError, MinisgdError

X = np.random.default_rng(0).integers(0, 256, (20, 3, 4), dtype=np.uint8)
Y = (np.arange(20) % 2).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for stem, n in (("train", 20), ("t10k", 4)):
        for kind, array in (("images-idx3", X[:n]), ("labels-idx1", Y[:n])):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (tmp_path / f"{stem}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
    np.savez(tmp_path / "images.npz", x=X, y=Y)
    np.savez(tmp_path / "splits.npz", x_train=X, y_train=Y, x_val=X[:2], y_val=Y[:2])
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    rows = "".join(f"{2 * i},{i * i},{'ab'[i % 2]}\n" for i in range(20))
    (tmp_path / "table.csv").write_text("u,v,kind\n" + rows)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("digits", "digits: 1438 train + 359 validation, features 8×8×1 uint8 · 1/16, classification, 10 classes"),
        ("idx:.", "idx:.: 16 train + 4 validation + 4 test, features 3×4×1 uint8 · 1/255, classification, 2 classes"),
        ("images.npz", "images.npz: 16 train + 4 validation, features 3×4×1 uint8 · 1/255, classification, 2 classes"),
        ("splits.npz", "splits.npz: 20 train + 2 validation, features 3×4×1 uint8 · 1/255, classification, 2 classes"),
        ("x.npy,y.npy",
         "x.npy,y.npy: 16 train + 4 validation, features 3×4×1 uint8 · 1/255, classification, 2 classes"),
        ("table.csv", "table.csv, target 'kind': 16 train + 4 validation, features 2 float32 standardized, "
                      "classification, 2 classes"),
    ],
)  # fmt: skip
def test_every_form_of_name(folder, name, description):
    assert load(name).describe() == description


@pytest.mark.parametrize(("name", "width"), [("digits", 64), ("idx:.", 12), ("images.npz", 12), ("x.npy,y.npy", 12)])
def test_images_may_be_flattened(folder, name, width):
    flat, images = load(name, images=False), load(name)
    assert flat.input_shape == (width,) and flat.scale == images.scale
    np.testing.assert_array_equal(flat.validation.x, images.validation.x.reshape(-1, width))


def test_pairs_stay_mapped(folder):
    for images in (True, False):
        assert isinstance(load("x.npy,y.npy", images=images).train.x, np.memmap)


def test_options(folder):
    plain = load("table.csv", standardize=False)
    assert plain.standardization is None
    assert max(split.x.max() for split in plain.splits.values()) == 19 * 19
    assert (load("images.npz", seed=1).validation.x != load("images.npz", seed=2).validation.x).any()
    assert load(folder / "images.npz", validation=None).validation is None


def test_a_table_may_be_a_regression(folder):
    (folder / "r.csv").write_text("u,y\n" + "".join(f"{i},{i / 2}\n" for i in range(10)))
    assert load("r.csv").describe().endswith("features 1 float32 standardized, regression, 1 output")


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("digit", "did you mean 'digits'"),
        ("Digits", "did you mean 'digits'"),
        ("idz:folder", "did you mean 'idx:folder'"),
        ("table.cvs", "did you mean 'table.csv'"),
        ("images.nzp", "did you mean 'images.npz'"),
        ("x.npy", "did you mean 'x.npy,y.npy'"),
        (".", "did you mean 'idx:.'"),
        ("nonsense", "give a file"),
        ("", "give a file"),
    ],
)
def test_unknown_names(folder, name, fix):
    with pytest.raises(ArgumentError, match=f"data must be one of digits, docstrings, idx:DIR.*; {fix}"):
        load(name)


@pytest.mark.parametrize("name", ["idx:absent", "absent.npz", "absent.csv", "absent.parquet", "absent.npy,y.npy"])
def test_absent_files(folder, name):
    with pytest.raises(DataError, match="absent.* must be an existing (file|folder), got nothing at this path"):
        load(name)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "y": Y[:5]}, "bad.npz: y must be of length 20"),
        ({"x": X, "y": Y * 0}, "bad.npz: y must be labels of at least two classes"),
        ({"x": X[:0], "y": Y[:0]}, "bad.npz: y must be an array of at least one label"),
        ({"x": np.full((20, 2), np.nan), "y": Y}, "bad.npz: x must be finite everywhere, got nan in row 0"),
        ({"x": X, "y": Y, "x_test": X[:, :2], "y_test": Y}, "bad.npz: test: x must be rows of shape"),
    ],
)
def test_what_a_file_holds_is_refused_by_its_name(folder, arrays, message):
    np.savez("bad.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load("bad.npz")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("digits", {"target": "y"}, "target must be left out for digits"),
        ("digits", {"validation": 2}, "validation must be a fraction"),
        ("images.npz", {"validation": 1.0}, "validation must be a fraction"),
        ("images.npz", {"seed": -2}, "seed must be"),
        ("images.npz", {"standardize": True}, "float features to standardize, got uint8"),
        ("table.csv", {"target": "knid"}, "did you mean 'kind'"),
        ("table.csv", {"target": "u", "task": "classification"}, "target 'u' must be classes with several rows each"),
        ("table.csv", {"drop": "u"}, "drop must be a list of column names, got u"),
        ("digits", {"missing": "drop"}, "missing must be left out for digits"),
        (3, {}, "data must be a name such as digits, .*or a data frame, got int"),
    ],
)
def test_options_that_do_not_fit(folder, name, options, message):
    with pytest.raises(MinisgdError, match=message):
        load(name, **options)


def test_a_file_of_another_kind_is_not_taken_for_a_slip(folder):
    (folder / "table.dta").touch()
    with pytest.raises(ArgumentError, match="got 'table.dta'; give a file with one of these endings; what else pandas"):
        load("table.dta")


def test_a_folder_of_pictures_is_told_how_they_are_read(folder):
    (folder / "pictures" / "cats").mkdir(parents=True)
    (folder / "pictures" / "cats" / "1.PNG").touch()
    with pytest.raises(ArgumentError, match="got 'pictures'; save pictures as arrays: np.savez"):
        load("pictures")
