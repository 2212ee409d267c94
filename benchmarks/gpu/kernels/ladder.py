"""The matrix product step by step, for the reader who studies: ten rungs below the shipped one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from minisgd.backend.cuda.kernels.shapes import blocks, require_shape
from minisgd.backend.cuda.launcher import Definition, KernelLibrary, Signature, array, scalar
from minisgd.backend.cuda.workload import Device, Floor, Workload, Workloads
from minisgd.errors import ShapeError
from minisgd.typing import Array

FOLDER = Path(__file__).with_name("rungs")


@dataclass(frozen=True)
class Rung:
    """One version of c = a b.

    block: threads along x and y   tile: columns and rows of c that a block computes
    by_rows: x counts rows, not columns   multiple: K and N must be multiples of it
    """

    file: str
    step: str
    block: tuple[int, int]
    tile: tuple[int, int]
    by_rows: bool = False
    multiple: int = 1

    @property
    def definition(self) -> Definition:
        arguments = (*(array(a, "real") for a in "abc"), *(scalar(n, "int32") for n in "MNK"))
        return Definition(self.file, Signature(self.file.split("_")[1], arguments), folder=FOLDER)


RUNGS = (
    Rung("1_naive", "the definition, one thread an element", (16, 16), (16, 16), by_rows=True),
    Rung("2_coalesced", "neighbouring threads take neighbouring columns", (32, 8), (32, 8)),
    Rung("3_panels", "what a block's threads share is read once, into shared memory", (16, 16), (16, 16)),
    Rung("4_columns", "a thread computes eight elements of a column", (512, 1), (64, 64)),
    Rung("5_squares", "a thread computes a square", (256, 1), (64, 64)),
    Rung("6_wide", "four numbers a load, a transposed in shared memory", (256, 1), (64, 64), multiple=4),
    Rung("7_alternating", "the next panels load while these are multiplied", (256, 1), (64, 64), multiple=4),
    Rung("8_banks", "stores that transpose fall on 32 different banks", (256, 1), (64, 64), multiple=4),
    Rung("9_warps", "a warp computes a patch that is nearly square", (256, 1), (128, 128), multiple=4),
    Rung("10_copies", "panels come past the registers, two steps ahead", (256, 1), (128, 128), multiple=4),
)

DEFINITIONS = tuple(rung.definition for rung in RUNGS)


def multiply(library: KernelLibrary, rung: Rung, a: Array, b: Array, c: Array, address: Callable[[Array], int]) -> None:
    """c = a b by one rung of the ladder.  a (M, K)   b (K, N)   c (M, N)

    address: of the first element of an array, in bytes, as `Ops.address`.
    Errors: ShapeError if the shapes do not fit, or the rung needs multiples and alignment that are not there.
    """
    (M, K), N = a.shape, b.shape[-1]
    require_shape(b, f"{rung.file}: b", (K, N))
    require_shape(c, f"{rung.file}: c", (M, N))
    if rung.multiple > 1 and (K % rung.multiple or N % rung.multiple or any(address(x) % 16 for x in (a, b))):
        raise ShapeError(
            f"{rung.file}: a, b",
            expected=f"rows of a multiple of {rung.multiple} elements, aligned to 16 bytes",
            got=f"shapes {a.shape} and {b.shape}",
            fix="use a lower rung, or the shipped kernel",
        )
    x, y = (M, N) if rung.by_rows else (N, M)
    kernel = library.kernel(rung.definition)
    kernel((blocks(x, rung.tile[0]), blocks(y, rung.tile[1]), 1), (*rung.block, 1), a, b, c, M, N, K)


# ------------------------------------------------ what is timed


def ladder(device: Device, N: int) -> Iterator[Workload]:
    """Yield the same square product by every rung of the ladder."""
    a, b, c, floor = device.reals(N, N), device.reals(N, N), device.reals(N, N), Floor(flop=2 * N**3)
    for rung in RUNGS:
        yield Workload(
            f"ladder {rung.file} {N}",
            lambda rung=rung: multiply(device.library, rung, a, b, c, device.address),  # type: ignore[misc]
            floor,
            {rung.definition.name: floor},
        )


WORKLOADS = Workloads(ladder, natural=({"N": 2048},), miniature=({"N": 32},))
