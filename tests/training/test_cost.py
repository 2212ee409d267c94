"""FLOPs and bytes of recorded calls, counted by hand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import minisgd.backend
from minisgd.backend import Call, NumpyOps
from minisgd.training.cost import COSTS, bytes_moved, flops, formula, stored_bytes


def recorded(op: str, *operands: object, out: np.ndarray, **options: object) -> Call:
    ops = NumpyOps()
    with ops.record() as program:
        getattr(ops, op)(*operands, out=out, **options)
    (call,) = program.calls
    return call


def zeros(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.zeros(shape, dtype)


def test_every_operation_of_the_vocabulary_has_a_cost() -> None:
    folder = Path(minisgd.backend.__file__).parent
    files = ("ops.py", "cpu/numpy_ops.py", "cuda/cupy_ops.py", "cuda/cupy_vocabulary.py")
    source = "".join((folder / name).read_text() for name in files)
    used = set(re.findall(r'self\.(?:run|elementwise|launch|_fold|_product)\(\s*"(\w+)"', source))
    assert len(used) > 25
    assert used | {"function"} == COSTS.keys()  # a loss that is a function of its user


@pytest.mark.parametrize(
    ("call", "work", "traffic"),
    [
        # 2·M·N·K = 2·3·5·4, replicas multiply it; x, W and y once
        (recorded("matmul", zeros(3, 4), zeros(4, 5), out=zeros(3, 5)), 120, 4 * (12 + 20 + 15)),
        (recorded("matmul", zeros(7, 3, 4), zeros(7, 4, 5), out=zeros(7, 3, 5)), 840, 28 * (12 + 20 + 15)),
        (recorded("matmul", zeros(3, 2), zeros(2, 5), out=zeros(3, 5)), 60, 4 * (6 + 10 + 15)),
        (recorded("dot", zeros(2, 9), zeros(2, 9), out=zeros(2)), 36, 4 * (18 + 18 + 2)),
        (recorded("add", zeros(3, 5), zeros(1, 5), out=zeros(3, 5)), 15, 4 * (15 + 5 + 15)),
        (recorded("maximum", zeros(3, 5), 0.0, out=zeros(3, 5)), 15, 4 * (15 + 1 + 15)),
        (recorded("greater", zeros(3, 5), 0.0, out=zeros(3, 5, dtype="bool")), 15, 4 * 16 + 15),
        (recorded("sum", zeros(3, 5), -1, out=zeros(3)), 15, 4 * (15 + 3)),
        (recorded("sum_batch", zeros(3, 5), out=zeros(1, 5)), 15, 4 * (15 + 5)),
        (recorded("copy", zeros(3, 5), out=zeros(3, 5, dtype="float64")), 0, 15 * 4 + 15 * 8),
        (recorded("add_rows", zeros(3, 5), zeros(3, dtype="int64"), out=zeros(9, 5)), 15, 15 * 4 + 3 * 8 + 45 * 4),
        # only the rows that are gathered are read, and the index
        (recorded("take", zeros(99, 5), zeros(3, dtype="int64"), out=zeros(3, 5)), 0, 15 * 4 + 3 * 8 + 15 * 4),
    ],
    ids=lambda value: value.op if isinstance(value, Call) else "",
)
def test_costs_counted_by_hand(call: Call, work: int, traffic: int) -> None:
    assert flops(call) == work
    assert bytes_moved(call) == traffic


def test_an_operand_that_comes_twice_is_read_once_and_one_in_place_is_read_and_written() -> None:
    x = zeros(8)
    assert bytes_moved(recorded("dot", x, x, out=zeros(1)[0:1].reshape(()))) == 8 * 4 + 4
    assert bytes_moved(recorded("negative", x, out=x)) == 2 * 8 * 4


def test_repeated_elements_and_overlapping_windows_count_once() -> None:
    ops, image = NumpyOps(), zeros(1, 6, 6, 1)
    assert stored_bytes(np.broadcast_to(zeros(1, 5), (32, 5))) == 5 * 4
    assert stored_bytes(ops.windows(image, (3, 3), (1, 1))) == 36 * 4
    assert stored_bytes(image[:, ::2, ::2]) == 9 * 4


def test_formulas() -> None:
    x, y = zeros(2, 2), zeros(2, 2)
    assert formula(recorded("matmul", x, y, out=y), ["x", "W"], "y") == "y = x @ W"
    assert formula(recorded("add", y, x, out=y), ["y", "b"], "y") == "y += b"
    assert formula(recorded("add", x, y, out=y), ["b", "y"], "y") == "y = b + y"
    assert formula(recorded("maximum", x, 0.0, out=y), ["z", "0"], "a") == "a = max(z, 0)"
    assert formula(recorded("sqrt", x, out=y), ["v"], "v") == "v = √v"
