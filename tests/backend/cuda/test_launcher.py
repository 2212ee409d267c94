"""Finding, building and launching kernels, with a compiler that only takes notes."""

from __future__ import annotations

import numpy as np
import pytest

from minisgd.backend.cuda import launcher as kernels
from minisgd.backend.cuda.launcher import Definition, KernelLibrary, Signature, array, options, scalar, source, variants
from minisgd.errors import ArgumentError, DataError, DtypeError


class Notes:
    """A compiler, module and kernel in one, which remembers its calls."""

    def __init__(self):
        self.compiled, self.launched = [], []

    def compile(self, source, file, options):
        self.compiled.append((file, options))
        return self

    def owns(self, array):
        return isinstance(array, np.ndarray)

    def get_function(self, name):
        return lambda grid, block, args, *, shared_mem=0: self.launched.append((name, grid, block, args, shared_mem))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "fill.cu").write_text("// fill")
    monkeypatch.setattr(kernels, "kernels_folder", lambda: tmp_path)
    return tmp_path


FILL = Definition(
    "fill", Signature("fill", (array("x", "real"), scalar("value", "real"))), variants(WIDE=(0, 1), TILE=(16, 32))
)


def test_the_checkout_has_a_folder_of_kernels():
    assert list(kernels.kernels_folder().glob("*.cu"))


def test_the_wheel_keeps_them_inside_the_package(tmp_path, monkeypatch):
    inside = tmp_path / "minisgd" / "kernels"
    inside.mkdir(parents=True)
    monkeypatch.setattr(kernels, "__file__", str(tmp_path / "minisgd" / "backend" / "cuda" / "launcher.py"))
    find = kernels.kernels_folder.__wrapped__  # without its memory
    with pytest.raises(DataError, match=r"kernels must be a folder of \.cu files, got none in .*; reinstall"):
        find()
    (inside / "a.cu").write_text("")
    assert find() == inside


def test_an_unknown_file_lists_the_known(folder):
    assert source("fill") == "// fill"
    with pytest.raises(ArgumentError, match="kernel file must be one of fill, got fil"):
        source("fil")


def test_options_name_the_type_and_sort_the_macros():
    assert options({"TILE": 16, "ACT": "RELU"}, "float64") == ("-DREAL=double", "-DACT=RELU", "-DTILE=16")
    with pytest.raises(DtypeError, match="dtype must be float32 or float64, got float16"):
        options({}, "float16")


def test_variants_are_all_combinations():
    assert list(FILL.variants) == [
        {"WIDE": 0, "TILE": 16},
        {"WIDE": 0, "TILE": 32},
        {"WIDE": 1, "TILE": 16},
        {"WIDE": 1, "TILE": 32},
    ]


def test_a_file_is_built_once_for_each_set_of_macros(folder):
    notes = Notes()
    library = KernelLibrary(notes)
    for tile in (16, 32, 16):
        library.kernel(FILL, WIDE=1, TILE=tile)
    assert notes.compiled == [("fill.cu", ("-DREAL=float", f"-DTILE={tile}", "-DWIDE=1")) for tile in (16, 32)]


def test_macros_outside_the_variants_are_refused(folder):
    with pytest.raises(ArgumentError, match="fill: macros must be one of the variants of the definition"):
        KernelLibrary(Notes()).kernel(FILL, WIDE=1, TILE=64)


def test_a_launch_passes_on_what_it_checked(folder):
    notes, x = Notes(), np.zeros(3)
    KernelLibrary(notes, "float64").kernel(FILL, WIDE=0, TILE=16)((2, 1, 1), (32, 4, 1), x, 2, shared_bytes=8)
    ((name, grid, block, args, shared_bytes),) = notes.launched
    assert (name, grid, block, shared_bytes) == ("fill", (2, 1, 1), (32, 4, 1), 8)
    assert args[0] is x and args[1].dtype == "float64"


def test_prepared_launches_are_checked_at_once_and_run_later(folder):
    notes, x = Notes(), np.zeros(3, "float32")
    library = KernelLibrary(notes)
    kernel = library.kernel(FILL, WIDE=0, TILE=16)
    with library.prepare() as launches:
        kernel((2, 1, 1), (32, 1, 1), x, 1)
        with pytest.raises(DtypeError, match="fill: x must be an array of float32"):
            kernel((2, 1, 1), (32, 1, 1), x.astype("float64"), 1)
    assert notes.launched == []
    for launch in launches * 2:
        launch.run()
    kernel((1, 1, 1), (32, 1, 1), x, 1)  # no longer prepared
    assert [grid for _, grid, *_ in notes.launched] == [(2, 1, 1), (2, 1, 1), (1, 1, 1)]


@pytest.mark.parametrize(
    "grid, block, shared_bytes, message",
    [
        ((0, 1, 1), (32, 1, 1), 0, "fill: grid must be"),
        ((1, 65536, 1), (32, 1, 1), 0, "fill: grid must be"),
        ((1, 1), (32, 1, 1), 0, "fill: grid must be"),
        ((1, 1, 1), (1025, 1, 1), 0, "fill: block must be"),
        ((1, 1, 1), (1, 1, 65), 0, "fill: block must be"),
        ((1, 1, 1), (32, 33, 1), 0, "fill: block must be at most 1024 threads"),
        ((1, 1, 1), (32, 1, 1), 48 * 1024 + 1, "fill: shared_bytes must be from 0 to 49152"),
    ],
)
def test_launches_that_no_device_takes_are_refused(folder, grid, block, shared_bytes, message):
    notes = Notes()
    kernel = KernelLibrary(notes).kernel(FILL, WIDE=0, TILE=16)
    with pytest.raises(ArgumentError, match=message):
        kernel(grid, block, np.zeros(3, "float32"), 1, shared_bytes=shared_bytes)
    assert notes.launched == []
