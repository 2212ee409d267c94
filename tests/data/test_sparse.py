"""Sparse features: batch by batch as the dense ones, and dense only a batch at a time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms
from minisgd.data import checks

scipy_sparse = pytest.importorskip("scipy.sparse")
RNG = np.random.default_rng(0)
DENSE = (RNG.random((120, 9)) * (RNG.random((120, 9)) < 0.3)).astype(np.float32)
Y = (DENSE[:, 0] > DENSE[:, 1]).astype(int)
NET = ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(2))


@pytest.fixture
def never_whole(monkeypatch):
    """Refuse to make more than a batch dense."""
    from minisgd.sparse import SparseRows

    made, take, array = [], SparseRows.take, SparseRows.__array__
    monkeypatch.setattr(SparseRows, "take", lambda *a, **k: made.append(take(*a, **k).size) or take(*a, **k))
    monkeypatch.setattr(SparseRows, "__array__", lambda *a, **k: made.append(array(*a, **k).size) or array(*a, **k))
    return made


@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "coo_array"])
@pytest.mark.parametrize("options", [{}, {"batch_size": "full"}, {"dtype": "float64"}, {"callbacks": [ms.Callback()]}])
def test_training_takes_the_same_bits(kind, options):
    sparse = getattr(scipy_sparse, kind)(DENSE)
    runs = [ms.train(NET, (x, Y), validation=0.25, epochs=3, **options) for x in (sparse, DENSE)]
    assert_array_equal(*(run.network.vector for run in runs))
    assert runs[0].history["val_loss"] == runs[1].history["val_loss"]
    assert runs[0].evaluate() == runs[1].evaluate()
    assert_array_equal(*(run.predict(x) for run, x in zip(runs, (sparse, DENSE), strict=True)))


def test_only_a_batch_is_dense(never_whole, monkeypatch):
    wide = scipy_sparse.random(600, 4000, density=0.01, format="csr", dtype=np.float32, random_state=0)
    monkeypatch.setattr(checks, "_CHUNK", 100 * 4000)
    ms.train(NET, (wide, np.arange(600) % 2), validation=0.5, batch_size=8, epochs=1).evaluate()
    assert max(never_whole) <= 150 * 4000  # what an evaluation, or a check, reads at a time
    assert never_whole.count(8 * 4000) == 300 // 8


def test_weights_checkpoints_and_stacks(tmp_path):
    x, weight = scipy_sparse.csr_array(DENSE), np.where(np.arange(120) % 3, 1.0, 0.0)
    runs = [
        ms.train(NET, ms.Dataset.from_arrays(each, Y, weight=weight, validation=0.2), epochs=2) for each in (x, DENSE)
    ]
    assert_array_equal(*(run.network.vector for run in runs))
    ms.train(NET, (x, Y), epochs=1, checkpoint=tmp_path)
    again, whole = ms.train(NET, (x, Y), epochs=2, resume=tmp_path), ms.train(NET, (x, Y), epochs=2)
    assert_array_equal(again.network.vector, whole.network.vector)


def test_what_is_not_finite_is_refused():
    bad = DENSE.copy()
    bad[7, 2] = np.inf
    with pytest.raises(ms.DataError, match="inf in row 7"):
        ms.train(NET, (scipy_sparse.csr_array(bad), Y))


def test_centred_features_would_not_be_sparse():
    data = ms.Dataset.from_arrays(scipy_sparse.csr_array(DENSE), Y)
    with pytest.raises(ms.DataError, match="x must be dense features to standardize.*got a sparse matrix"):
        data.standardized()
