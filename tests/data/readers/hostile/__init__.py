"""Hostile files: a few bytes that claim terabytes, that unpack to them, or that no parser was written for.

``KINDS`` is the table: for every kind of file how it is called, what the files hold, and what reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.data.readers.hostile.arrays import LABELS, LABELS_AS_NPY, Cases, idx_cases, npy_cases, npz_cases
from tests.data.readers.hostile.models import weights_cases
from tests.data.readers.hostile.tables import arff_cases, csv_cases, parquet_cases

Read = Callable[[Path], Any]


def _load() -> Read:
    import minisgd as ms

    return lambda path: ms.load(path, validation=None)


def _features() -> Read:
    """Read a .npy file memory-mapped, as features."""
    import minisgd as ms

    def read(path: Path) -> Any:
        path.with_name("y.npy").write_bytes(LABELS_AS_NPY)
        return ms.load(f"{path},{path.with_name('y.npy')}", validation=None)

    return read


def _targets() -> Read:
    """Read a .npy file into memory."""
    from minisgd.data.sources import read_table

    return read_table


def _images() -> Read:
    import minisgd as ms

    def read(path: Path) -> Any:
        path.with_name("a-labels-idx1-ubyte").write_bytes(LABELS)
        return ms.load(f"idx:{path.parent}", validation=None)

    return read


def _model() -> Read:
    """Read the preprocessing of a weights file, then its weights into a network."""
    import minisgd as ms
    from minisgd.data.preprocessing_text import read_preprocessing
    from minisgd.nn.weights import read_weights

    def read(path: Path) -> Any:
        text = read_weights(path)[1].get("preprocessing", "null")
        if text != "null":
            read_preprocessing(text)
        return ms.Network(ms.Linear(2)).load(path)

    return read


KINDS: dict[str, tuple[str, Callable[[], Cases], Callable[[], Read]]] = {
    "npy, mapped": ("x.npy", npy_cases, _features),
    "npy, read": ("x.npy", npy_cases, _targets),
    "npz": ("a.npz", npz_cases, _load),
    "idx": ("a-images-idx3-ubyte", idx_cases, _images),
    "csv": ("t.csv", csv_cases, _load),
    "parquet": ("t.parquet", parquet_cases, _load),
    "arff": ("t.arff", arff_cases, _load),
    "weights": ("w.safetensors", weights_cases, _model),
}
