"""Paragraphs of documentation that come with the package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from minisgd.data.dataset import Dataset
from minisgd.data.readers.csv import read_csv
from minisgd.data.tables.columns import TableOptions
from minisgd.data.tabular import dataset_of
from minisgd.typing import Seed

_FILE = Path(__file__).with_name("docstrings.csv.gz")


def docstrings(*, validation: float | None = 0.2, seed: Seed = 0) -> Dataset:
    """Load 2,000 paragraphs from the docstrings of Python's standard library, of 8 topics, as words by tf-idf.

    Args:
        validation: The fraction in [0, 1) to hold out, or None.
        seed: Seed of the hold-out.

    Returns:
        The data set: x (N, V) float32, by a lexicon of the training texts, which is part of the model that is trained.

    Source: CPython 3.11.7, Python Software Foundation License Version 2; see docstrings.LICENSE.md.
    """
    table, options = read_csv(_FILE, header=True), TableOptions(text="text")
    data = dataset_of(table, target="topic", options=options, validation=validation, seed=seed)
    return replace(data, name="docstrings")
