"""Products whose sums are shared by several blocks: room for their partial results, which the last of them adds up."""

from __future__ import annotations

from dataclasses import dataclass

from minisgd.backend.cuda.kernels.shapes import blocks
from minisgd.backend.cuda.kernels.tiles import Cut
from minisgd.errors import ShapeError
from minisgd.typing import Array


@dataclass(frozen=True)
class Workspace:
    """What the splits of a product leave to the last of them.

    results: partial sums, of the dtype of the product; the next launch may overwrite them
    arrived: int32, the splits of each tile that are done; zero before a launch and after it. Half as many as results
    are always enough: a tile that is split has two results at least.
    """

    results: Array
    arrived: Array


def workspace_elements(cut: Cut, R: int, *sizes: int) -> int:
    """Return the elements of workspace for the results, of these sizes, of R products; 0 if they are not split."""
    return cut.splits * R * sum(sizes) if cut.splits > 1 else 0


class Room:
    """The parts of a workspace that one launch takes, one after another."""

    def __init__(self, kernel: str, workspace: Workspace | None) -> None:
        self.kernel, self.workspace = kernel, workspace
        self.elements = self.tiles = 0

    def take(self, cut: Cut, R: int, M: int, N: int, columns: int = 0) -> list[Array | None]:
        """Return parts for the results of R products, for sums of columns if there are any, and for arrivals.

        All are None where nothing is split.

        Raises:
            ShapeError: If the workspace is too small.
        """
        sizes = (M * N, columns) if columns else (M * N,)
        if cut.splits == 1:
            return [None] * (len(sizes) + 1)
        start, first = self.elements, self.tiles
        self.elements += workspace_elements(cut, R, *sizes)
        self.tiles += R * blocks(M, cut.tile.m) * blocks(N, cut.tile.n)
        given = self.workspace
        if given is None or given.results.size < self.elements or given.arrived.size < self.tiles:
            expected = f"at least {self.elements} elements, and {self.tiles} for arrivals"
            got = "none" if given is None else (given.results.shape, given.arrived.shape)
            fix = "size it with workspace(), or choose a cut with splits=1"
            raise ShapeError(f"{self.kernel}: workspace", expected=expected, got=got, fix=fix)
        parts: list[Array | None] = []
        flat = given.results.reshape(-1)
        for size in sizes:
            stop = start + cut.splits * R * size
            parts.append(flat[start:stop])
            start = stop
        return [*parts, given.arrived[first : self.tiles]]
