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


def partial_results(
    kernel: str, workspace: Workspace | None, cut: Cut, R: int, M: int, N: int, columns: int = 0
) -> list[Array | None]:
    """Return parts of the workspace: for results, for sums of columns if there are any, and for arrivals.

    All are None where nothing is split.

    Raises:
        ShapeError: If the workspace is too small.
    """
    sizes = (M * N, columns) if columns else (M * N,)
    if cut.splits == 1:
        return [None] * (len(sizes) + 1)
    elements, tiles = workspace_elements(cut, R, *sizes), R * blocks(M, cut.tile.m) * blocks(N, cut.tile.n)
    if workspace is None or workspace.results.size < elements or workspace.arrived.size < tiles:
        raise ShapeError(
            f"{kernel}: workspace",
            expected=f"at least {elements} elements, and {tiles} for arrivals",
            got="none" if workspace is None else (workspace.results.shape, workspace.arrived.shape),
            fix="size it with workspace(), or choose a cut with splits=1",
        )
    parts: list[Array | None] = []
    flat, start = workspace.results.reshape(-1), 0
    for size in sizes:
        stop = start + cut.splits * R * size
        parts.append(flat[start:stop])
        start = stop
    return [*parts, workspace.arrived]
