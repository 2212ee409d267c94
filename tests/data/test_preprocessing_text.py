"""Preprocessing survives its way through text; what is not sound is refused in the test of hostile weights files."""

from __future__ import annotations

import json

import numpy as np
import pytest

import minisgd as ms
from minisgd.data.preprocessing import Preprocessing
from minisgd.data.preprocessing_text import VERSION, read_preprocessing, written
from minisgd.errors import DataError

X = np.random.default_rng(0).normal(3, 2, (30, 2))
TABLE = {"size": [1.5, None, 3.0] * 10, "city": ["Graz", "Wien", "Linz"] * 10, "price": list(range(0, 90, 3))}


@pytest.mark.parametrize(
    ("data", "raw"),
    [
        (ms.load(TABLE), {"city": ["Wien", None], "size": [2.0, None]}),
        (ms.Dataset.from_arrays(X, X[:, 0]).standardized(), X),
        (ms.Dataset.from_arrays((X * 20).astype(np.uint8), np.arange(30) % 3), (X * 20).astype(np.uint8)),
    ],
    ids=["table", "standardized", "bytes"],
)
def test_it_does_the_same_after_it_was_text(data: ms.Dataset, raw: object) -> None:
    before = Preprocessing.of(data)
    after = read_preprocessing(written(before))
    np.testing.assert_array_equal(after.inputs(raw), before.inputs(raw))
    assert written(after) == written(before)
    assert (after.task, after.classes, after.targets, after.outputs) == (
        before.task,
        before.classes,
        before.targets,
        before.outputs,
    )


def test_another_version_is_refused() -> None:
    text = json.dumps(json.loads(written(Preprocessing.of(ms.load(TABLE)))) | {"version": VERSION + 1})
    with pytest.raises(DataError, match=f"of version {VERSION}, got {VERSION + 1}; use the minisgd that wrote it"):
        read_preprocessing(text)
