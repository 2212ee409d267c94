"""Products whose sums are shared by several blocks: room for their partial results, which a second kernel adds up."""

from __future__ import annotations

from minisgd.backend.cuda.kernels.tiles import Cut
from minisgd.errors import ShapeError
from minisgd.typing import Array


def workspace_elements(cut: Cut, R: int, *sizes: int) -> int:
    """Return the elements of workspace for the results, of these sizes, of R products; 0 if they are not split."""
    return cut.splits * R * sum(sizes) if cut.splits > 1 else 0


def partial_results(kernel: str, workspace: Array | None, cut: Cut, R: int, *sizes: int) -> list[Array | None]:
    """Return parts of the workspace, one for the results of each size; None where nothing is split.

    Raises:
        ShapeError: If the workspace is too small.
    """
    if cut.splits == 1:
        return [None for _ in sizes]
    elements = workspace_elements(cut, R, *sizes)
    if workspace is None or workspace.size < elements:
        raise ShapeError(
            f"{kernel}: workspace",
            expected=f"at least {elements} elements",
            got="none" if workspace is None else workspace.shape,
            fix="size it with workspace(), or choose a cut with splits=1",
        )
    parts: list[Array | None] = []
    flat, start = workspace.reshape(-1), 0
    for size in sizes:
        stop = start + cut.splits * R * size
        parts.append(flat[start:stop])
        start = stop
    return parts
