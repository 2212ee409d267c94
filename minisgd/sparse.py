"""Sparse features, of which only a batch at a time is ever dense."""

from __future__ import annotations

from typing import Any

import numpy as np

from minisgd.typing import HostArray, Shape


def is_sparse(x: Any) -> bool:
    """Tell whether features are a sparse matrix or array of scipy."""
    return hasattr(x, "tocsr") and hasattr(x, "toarray")


class SparseRows:
    """A matrix (N, F) in compressed rows that is read like a NumPy array: a slice or rows stay sparse.

    ``take`` and ``np.asarray`` give dense arrays; training, evaluation and prediction ask for those of one batch.
    """

    ndim = 2

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix.tocsr()
        self.shape: Shape = self.matrix.shape
        self.dtype = np.dtype(self.matrix.dtype)
        self.size, self.nbytes = self.shape[0] * self.shape[1], self.shape[0] * self.shape[1] * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int | np.integer):
            return self.matrix[[rows]].toarray()[0]
        return SparseRows(self.matrix[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> HostArray:
        dense: HostArray = self.matrix.toarray()
        return dense if dtype is None else dense.astype(dtype, copy=False)

    def astype(self, dtype: Any, copy: bool = True) -> SparseRows:
        """Return the same matrix in another dtype."""
        return SparseRows(self.matrix.astype(dtype, copy=copy))

    def take(self, index: HostArray, axis: int = 0, out: HostArray | None = None, mode: str = "clip") -> HostArray:
        """Return rows as a dense array.  index (…, b)   result (…, b, F)"""
        dense: HostArray = self.matrix[np.ravel(index)].toarray().reshape(*index.shape, self.shape[1])
        if out is None:
            return dense
        out[...] = dense
        return out
