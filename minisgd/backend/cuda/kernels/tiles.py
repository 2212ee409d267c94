"""How a matrix product is cut into blocks, chosen by its shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from minisgd.backend.cuda.kernels.shapes import blocks


@dataclass(frozen=True)
class Tile:
    """What one block computes: an m × n part of the product in steps of k, thread_m × thread_n a thread.

    rate: estimated share of the peak arithmetic rate that blocks of this tile reach on a full device. A large
    tile reads fewer operands for each multiplication.
    """

    m: int
    n: int
    k: int
    thread_m: int
    thread_n: int
    rate: float

    @property
    def threads(self) -> int:
        return (self.m // self.thread_m) * (self.n // self.thread_n)

    @property
    def macros(self) -> dict[str, str | int]:
        sizes: dict[str, str | int] = {"TILE_M": self.m, "TILE_N": self.n, "TILE_K": self.k}
        return sizes | {"THREAD_M": self.thread_m, "THREAD_N": self.thread_n}


LARGE = Tile(128, 128, 8, 8, 8, 0.85)
MEDIUM = Tile(64, 64, 16, 4, 4, 0.6)
SMALL = Tile(32, 32, 16, 2, 2, 0.3)
FLAT = Tile(16, 64, 16, 2, 4, 0.35)
"""For few rows: a small batch."""
NARROW = Tile(64, 16, 16, 4, 2, 0.35)
"""For few columns: ten classes."""

TILES = (LARGE, MEDIUM, SMALL, FLAT, NARROW)

SPLITS = (1, 2, 4, 8, 16, 32)
LEAST_STEPS = 4
"""Steps of k that a block must have left to be worth its start."""
LAUNCH = 1e6
"""FLOP that one multiprocessor could have done while another kernel starts, about 2 µs."""
MEETING = 3e5
"""The same while a block writes its partial sums, fences and counts itself done."""
FLOP_PER_BYTE = 6.0
"""Arithmetic that one multiprocessor does in the time that one byte takes from the shared cache."""


@dataclass(frozen=True)
class Cut:
    """A tile, and how many blocks share the K of each."""

    tile: Tile
    splits: int


@cache
def choose_cut(
    R: int, M: int, N: int, K: int, multiprocessors: int, *, may_split: bool = True, tiles: tuple[Tile, ...] = TILES
) -> Cut:
    """Return the cut of R products (M, K) (K, N) that an estimate of time prefers.

    time = waves · tile work / rate, and for a split product what its last blocks do after the others. A wave is as
    many blocks as there are multiprocessors: with few blocks most of them idle, which is what small tiles and
    splits are for. The constants are estimates; only their order of magnitude matters to the choice.
    """
    product = M, N, K

    def preference(cut: Cut) -> tuple[float, int, int]:
        padded = blocks(M, cut.tile.m) * cut.tile.m * blocks(N, cut.tile.n) * cut.tile.n
        return _time(R, multiprocessors, (cut, product)), cut.splits, padded

    return min(_candidates(tiles, K, may_split), key=preference)


@cache
def choose_cuts(
    R: int, first: tuple[int, int, int], second: tuple[int, int, int], multiprocessors: int
) -> tuple[Cut, Cut] | None:
    """Return the cuts, of one tile, for two products (M, N, K) in one launch; None where two launches are faster.

    Products that fill the device with large tiles, each for itself, have nothing to gain.
    """
    apart = LAUNCH + sum(
        _time(R, multiprocessors, (choose_cut(R, *product, multiprocessors), product)) for product in (first, second)
    )
    pairs = [
        (one, other)
        for tile in TILES
        if tile is not LARGE
        for one in _candidates((tile,), first[2], True)
        for other in _candidates((tile,), second[2], True)
    ]
    times = [_time(R, multiprocessors, (one, first), (other, second)) for one, other in pairs]
    return pairs[times.index(min(times))] if min(times) < apart else None


def _candidates(tiles: tuple[Tile, ...], K: int, may_split: bool) -> Iterator[Cut]:
    for tile in tiles:
        for splits in SPLITS:
            if splits == 1 or (may_split and K >= splits * LEAST_STEPS * tile.k):
                yield Cut(tile, splits)


def _time(R: int, multiprocessors: int, *products: tuple[Cut, tuple[int, int, int]]) -> float:
    """Return the time of products in one launch, in FLOP of one multiprocessor."""
    count, work, longest, after = 0, 0.0, 0.0, 0.0
    for cut, (M, N, K) in products:
        tile, tiles = cut.tile, R * blocks(M, cut.tile.m) * blocks(N, cut.tile.n)
        one = 2 * tile.m * tile.n * blocks(blocks(K, tile.k), cut.splits) * tile.k / tile.rate
        if cut.splits > 1:
            sums = 4 * cut.splits * tile.m * tile.n * FLOP_PER_BYTE
            after = max(after, MEETING + blocks(tiles, multiprocessors) * sums)
        count, work, longest = count + tiles * cut.splits, work + tiles * cut.splits * one, max(longest, one)
    return max(blocks(count, multiprocessors) * work / max(count, 1), longest) + after
