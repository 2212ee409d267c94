"""Readers of data files: a file each, and a row in this table.

Dispatch, error messages and help texts follow from the rows; the table of docs/pages/data.md is tested against them.
"""

from __future__ import annotations

from minisgd.data.readers.arff import ARFF
from minisgd.data.readers.csv import CSV
from minisgd.data.readers.idx import IDX
from minisgd.data.readers.npy import NPY
from minisgd.data.readers.npz import NPZ
from minisgd.data.readers.parquet import PARQUET
from minisgd.data.readers.reader import Reader

READERS: tuple[Reader, ...] = (IDX, NPZ, CSV, PARQUET, ARFF, NPY)
