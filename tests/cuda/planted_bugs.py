"""Bugs planted in correct kernels, one macro each, and the leg of evidence that claims to catch each.

Legs: "fault" stops the launch in every order it names and says why; "wrong" ends with a wrong result in at
least one of the orders that every test run uses; "asan" and "tsan" need a sanitizer's build.
Run as a program, this file plants one bug and launches its kernel once: that is how a sanitizer's leg is asked.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.cuda.cuda_emulator import ORDERS, Emulator

PLANTED = Path(__file__).parent / "planted"


@dataclass(frozen=True)
class Bug:
    """A macro that plants a bug in a kernel, and what the claiming leg says of it."""

    macro: str
    kernel: str
    leg: str
    says: str = ""
    orders: tuple[str, ...] = ORDERS


BUGS = (
    Bug("MISSING_BARRIER_AFTER_LOAD", "block_sum", "wrong"),
    Bug("MISSING_BARRIER_IN_TREE", "block_sum", "wrong"),
    Bug("UNWRITTEN_SHARED", "block_sum", "wrong"),
    Bug("MISSING_SYNCWARP", "shared_warp_sum", "wrong"),
    Bug("MISSING_WAIT", "mirrored_copy", "wrong"),
    Bug("MISSING_BARRIER_AFTER_WAIT", "mirrored_copy", "wrong"),
    Bug("BARRIER_IN_BRANCH", "block_sum", "fault", r"line \d+: divergent __syncthreads|line \d+: deadlock"),
    Bug("TWO_BARRIERS", "block_sum", "fault", r"line \d+: divergent __syncthreads: thread 0 waits here, thread \d+ at"),
    Bug("EXIT_BEFORE_BARRIER", "block_sum", "fault", r"line \d+: deadlock .* wait at __syncthreads, 212 have returned"),
    Bug("LANES_EXIT_BEFORE_SHUFFLE", "warp_sum", "fault", r"line \d+: deadlock .* a shuffle .* has returned"),
    Bug("SHUFFLE_IN_BRANCH", "warp_sum", "fault", r"line \d+: deadlock .* a shuffle .* lane 16 has returned"),
    Bug("SHUFFLE_OUTSIDE_MASK", "warp_sum", "fault", r"line \d+: lane \d+ (calls|shuffles)"),
    Bug("SHUFFLE_FROM_OUTSIDE_MASK", "warp_sum", "fault", r"shuffles from lane \d+, which is not in mask 0000ffff"),
    Bug("TWO_SHUFFLES", "warp_sum", "fault", r"line \d+: deadlock .* is in another collective at line \d+"),
    Bug("BARRIER_AGAINST_SHUFFLE", "warp_sum", "fault", r"deadlock .* a shuffle .* waits at __syncthreads, line \d+"),
    Bug("READ_PAST_END", "block_sum", "fault", r"line \d+: access out of bounds of argument 0", ("forward", "random")),
    Bug("READ_BEFORE_FRONT", "block_sum", "fault", r"line \d+: access out of bounds of argument 0", ("reverse",)),
    Bug("WRITE_PAST_END", "block_sum", "fault", r"write outside of argument 1|out of bounds of argument 1"),
    Bug("WRITE_BEFORE_FRONT", "block_sum", "fault", r"write outside of argument 1|out of bounds of argument 1"),
    Bug("NULL_POINTER", "block_sum", "fault", r"line \d+: access to invalid address"),
    Bug("SHARED_INDEX", "block_sum", "fault", r"line \d+: index 256 out of bounds of 'float \[256\]'"),
    Bug("SHARED_POINTER", "block_sum", "fault", r"line \d+: access out of bounds of static shared memory"),
    Bug("SHARED_POINTER_BEFORE", "block_sum", "fault", r"write outside of static shared memory in block"),
    Bug("TOO_MUCH_SHARED", "block_sum", "fault", r"65536 bytes of shared memory in a block"),
    Bug("DYNAMIC_INDEX", "dynamic_sum", "fault", r"line \d+: access out of bounds of dynamic shared memory"),
    Bug("LOCAL_INDEX", "block_sum", "fault", r"line \d+: index \d out of bounds of 'int \[4\]'"),
    Bug(
        "MISALIGNED_SHARED", "twice", "fault", r"line \d+: misaligned access to .*float2.*, which needs a multiple of 8"
    ),
    Bug("DIVISION_BY_ZERO", "block_sum", "fault", r"line \d+: integer division by zero, by thread \(7, 0, 0\)"),
    Bug("ENDLESS", "block_sum", "fault", r"line \d+: still running after 1 seconds", ("forward",)),
    Bug("UNUSED_READ_PAST_END", "mirror", "asan", "heap-buffer-overflow"),
    Bug("MISSING_ATOMIC", "grid_sum", "tsan", "data race"),
    Bug("MISSING_FENCE", "ordered_sum", "tsan", "data race"),
    Bug("MISSING_BARRIER_BEFORE_REUSE", "mirrored_sum", "tsan", "data race"),
    Bug("SAME_VALUE_RACE", "any_large", "tsan", "data race"),
    Bug("MISSING_SYNCWARP", "shared_warp_sum", "tsan", "data race"),
    Bug("MISSING_BARRIER_IN_TREE", "block_sum", "tsan", "data race"),
)

KERNELS = tuple(dict.fromkeys(bug.kernel for bug in BUGS))


def launch(kernel: str, macro: str | None = None, order: str = "forward", seed: int = 0) -> None:
    """Launch a kernel, with a bug or without, and compare its result with NumPy's.

    Errors: KernelFault from the emulator; AssertionError for a wrong result.
    """
    file = next(path for path in sorted(PLANTED.glob("*.cu")) if f" {kernel}(" in path.read_text())
    options = () if macro is None else (f"-D{macro}",)
    patience = 1 if macro == "ENDLESS" else 60
    emulator = Emulator(order, seed, patience)
    function = emulator.compile(file.read_text(), file.name, options).get_function(kernel)
    grid, block, shared_bytes, args, result, expected = _case(kernel)
    function(grid, block, args, shared_mem=shared_bytes)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def _case(kernel: str) -> tuple[Any, Any, int, tuple[Any, ...], npt.NDArray[Any], Any]:
    x = np.random.default_rng(0).standard_normal(1024).astype(np.float32)
    out = np.full(4, np.nan, np.float32)
    if kernel in ("block_sum", "dynamic_sum"):  # 300 = 256 + 44: the second block has 212 threads to spare
        expected = [x[:256].sum(), x[256:300].sum()]
        shared_bytes = 1024 if kernel == "dynamic_sum" else 0
        return (2, 1, 1), (256, 1, 1), shared_bytes, (x[:300], out[:2], np.int32(300)), out[:2], expected
    if kernel in ("warp_sum", "shared_warp_sum"):
        rows = x[:30].reshape(3, 10)
        return (2, 1, 1), (32, 2, 1), 0, (rows, out[:3], np.int32(3), np.int32(10)), out[:3], rows.sum(1)
    if kernel == "twice":
        y = np.full_like(x, np.nan)
        return (1, 1, 1), (256, 1, 1), 0, (x, y, np.int32(x.size)), y, 2 * x
    if kernel == "mirrored_copy":
        y = np.full(64, np.nan, np.float32)
        return (1, 1, 1), (64, 1, 1), 0, (x[:64], y), y, x[63::-1]
    if kernel == "mirror":
        y = np.full(5, np.nan, np.float32)
        return (1, 1, 1), (32, 1, 1), 0, (x[:5], y, np.int32(5)), y, x[4::-1]
    total = np.zeros(1, np.float32)
    if kernel == "grid_sum":
        return (2, 1, 1), (64, 1, 1), 0, (x[:100], total, np.int32(100)), total, x[:100].sum()
    if kernel == "ordered_sum":
        done = np.zeros(1, np.uint32)
        return (4, 1, 1), (32, 1, 1), 0, (x[:100], out, done, total, np.int32(100)), total, x[:100].sum()
    if kernel == "mirrored_sum":
        y = np.full(64, np.nan, np.float32)
        return (1, 1, 1), (32, 2, 1), 0, (x, y, np.int32(16)), y, x.reshape(16, 64).sum(0)[::-1]
    assert kernel == "any_large"
    most = np.zeros(1, np.int32)
    return (2, 1, 1), (64, 1, 1), 0, (x, most, np.int32(128)), most, [1]


if __name__ == "__main__":
    launch(sys.argv[1], *sys.argv[2:])
