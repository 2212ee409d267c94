"""Batches on their way to the device: the right rows, in the right order, whatever overtakes what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.backend import NumpyOps, get_ops
from minisgd.backend.cuda.batch_transfer import DoubleBufferedTransfer


@pytest.fixture(params=["cpu", "cuda"])
def ops(request: pytest.FixtureRequest) -> Any:
    if request.param == "cuda":
        request.getfixturevalue("fake_cupy")
    return get_ops(request.param)


def test_rows_arrive_as_they_were_asked_for(ops: Any) -> None:
    rng = np.random.default_rng(0)
    source = rng.integers(0, 256, (50, 3, 2)).astype(np.uint8)
    slots = tuple(ops.zeros((12, 3, 2), "uint8") for _ in range(2))
    batch_transfer = ops.batch_transfer(slots)
    assert isinstance(batch_transfer, DoubleBufferedTransfer) == (not isinstance(ops, NumpyOps))
    out, short = ops.zeros((2, 6, 3, 2), "uint8"), ops.zeros((2, 5, 3, 2), "uint8")
    total = ops.zeros((2, 6, 3, 2), "int64")
    with ops.record() as program:
        ops.add(total, out, out=total)
    sent = np.zeros((2, 6, 3, 2), np.int64)
    for _ in range(7):  # nobody waits in between
        index = rng.integers(0, 50, (2, 6))
        batch_transfer.send(source, index, out=out)
        program.replay()
        sent += source[index]
    index = rng.integers(0, 50, (2, 5))
    batch_transfer.send(source, index, out=short)
    assert_array_equal(ops.to_host(total), sent)
    assert_array_equal(ops.to_host(short), source[index])
