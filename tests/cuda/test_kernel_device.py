"""NumPy arrays on a GPU for the time of a launch, with a device that is made of host memory."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np
from numpy.testing import assert_array_equal

from tests.cuda.kernel_device import HostArraysOnGpu


class Memory:
    def __init__(self, buffer, ptr):
        self.buffer, self.ptr = buffer, ptr

    def __add__(self, offset):
        return Memory(self.buffer, self.ptr + offset)

    def copy_from_host(self, source, size):
        ctypes.memmove(self.ptr, source, size)

    def copy_to_host(self, target, size):
        ctypes.memmove(target, self.ptr, size)


def alloc(size):
    buffer = np.zeros(size + 256, "uint8")
    return Memory(buffer, -(-buffer.ctypes.data // 256) * 256)


class RawModule:
    def __init__(self, code, options):
        self.code, self.options = code, options

    def get_function(self, name):
        def add(grid, block, args, *, shared_mem):
            x, y, n = args
            assert x.dtype == y.dtype == "uint64"
            self.seen = int(y - x), int(x % 16)
            source = (ctypes.c_float * int(n)).from_address(int(x))
            target = (ctypes.c_float * int(n)).from_address(int(y))
            for i in range(int(n)):
                target[i] += source[i]

        return add


STREAM = SimpleNamespace(synchronize=lambda: None)
CUPY = SimpleNamespace(RawModule=RawModule, cuda=SimpleNamespace(alloc=alloc, get_current_stream=lambda: STREAM))


def test_arrays_come_back_changed_with_their_distance_and_alignment():
    whole = np.arange(20, dtype="float32")
    whole = whole[-whole.ctypes.data // 4 % 4 :][:16]
    expected = whole.copy()
    for i in range(3, 9):  # the ranges overlap, so later sums see earlier ones
        expected[i] += expected[i - 2]
    module = HostArraysOnGpu(CUPY).compile("text", "add.cu", ("-DREAL=float",))
    module.get_function("add")((1, 1, 1), (1, 1, 1), (whole[1:7], whole[3:9], np.int32(6)))
    assert_array_equal(whole, expected)
    assert module.module.seen == (8, 4)
    assert module.module.options == ("-std=c++17", "-DREAL=float")
    assert module.module.code == '#line 1 "add.cu"\ntext'
