"""What the launcher of kernels refuses, and how it says so."""

from __future__ import annotations

import numpy as np
import pytest

from minisgd.backend.cuda.signature import Signature, array, scalar
from minisgd.errors import ArgumentError, DtypeError, ShapeError

SCALE = Signature(
    "scale",
    (
        array("x", "real", strided=True),
        array("y", "real"),
        array("bias", "real", optional=True),
        array("raw", "uint8", optional=True),
        scalar("n", "int32"),
        scalar("factor", "real"),
    ),
)


def bind(real="float32", **changes):
    values = {
        "x": np.zeros((4, 3), real),
        "y": np.zeros((4, 3), real),
        "bias": None,
        "raw": None,
        "n": 12,
        "factor": 0.5,
    }
    values |= changes
    return SCALE.bind(tuple(values.values()), np.dtype(real), lambda value: isinstance(value, np.ndarray))


@pytest.mark.parametrize("real", ["float32", "float64"])
def test_numbers_get_the_width_of_the_kernel(real):
    *_, n, factor = bind(real)
    assert (n.dtype, n) == ("int32", 12)
    assert (factor.dtype, factor) == (real, 0.5)
    assert bind(real, factor=2)[-1].dtype == real


def test_arrays_pass_through_and_none_becomes_a_null_pointer():
    x = np.zeros((3, 4), "float32").T
    bound = bind(x=x)
    assert bound[0] is x
    assert bound[2].dtype == "uint64" and bound[2] == 0


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"x": np.zeros(3)}, DtypeError, "scale: x must be an array of float32, got an array of float64"),
        ({"y": [0.0]}, DtypeError, "scale: y must be a float32 array on the kernel's device, got builtins.list"),
        ({"y": None}, DtypeError, "scale: y must be a float32 array on the kernel's device, got builtins.NoneType"),
        ({"y": np.float32(1)}, DtypeError, "scale: y must be a float32 array"),
        ({"raw": np.zeros(3, "int8")}, DtypeError, "scale: raw must be an array of uint8, got an array of int8"),
        ({"y": np.zeros((3, 4), "float32").T}, ShapeError, "scale: y must be C-contiguous"),
        (
            {"x": np.zeros((0, 3), "float32")},
            ShapeError,
            r"scale: x must be an array with elements, got shape \(0, 3\)",
        ),
        ({"n": np.int64(12)}, DtypeError, "scale: n must be a number of type int32, got np.int64.12. of type int64"),
        ({"n": 12.0}, DtypeError, "scale: n must be a number of type int32, got 12.0 of type float"),
        ({"n": True}, DtypeError, "scale: n must be a number of type int32, got True"),
        ({"n": 2**31}, ArgumentError, "scale: n must be a number that int32 holds, got 2147483648"),
        ({"factor": np.float64(1)}, DtypeError, "scale: factor must be a number of type float32"),
        ({"factor": np.zeros(1, "float32")}, DtypeError, "scale: factor must be a number of type float32"),
    ],
)
def test_refusals_name_kernel_and_argument(changes, error, message):
    with pytest.raises(error, match=message):
        bind(**changes)


def test_a_wrong_count_lists_the_arguments():
    with pytest.raises(ArgumentError, match=r"scale: arguments must be 6 values \(x, y, bias, raw, n, factor\), got 1"):
        SCALE.bind((1,), np.dtype("float32"), lambda value: True)
