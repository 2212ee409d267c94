"""Row-sparse updates: of a tensor whose gradient is zero but in a few rows, only these move.

An embedding has a gradient in the rows of a batch's tokens; an update of all of W would read and write V rows. Here the
rows of W, of its gradient and of the state are copied into small vectors, moved by the optimizer's own formula, and
copied back. A token that occurs twice has two copies, which move alike, so it does not matter which is written last.

Rows that no token names keep their values and their state. Without momentum SGD leaves them alone anyway, and Adagrad
does: the update is that of the whole tensor, bit for bit. Momentum and Adam's averages decay only in the updates that
name the row, while t counts all updates, as in torch.optim.SparseAdam (whose ε is added to √v, not to √v̂).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from minisgd.backend import Ops
from minisgd.errors import ArgumentError
from minisgd.nn.layout import Layout
from minisgd.optim.groups import runs
from minisgd.typing import Array

if TYPE_CHECKING:
    from minisgd.optim.optimizer import Optimizer, UpdateBuffers


def move_rows(ops: Ops, move: Callable[[Ops, UpdateBuffers], None], b: UpdateBuffers, index: Array) -> None:
    """Move the rows that an index names, and set their gradient to zero: then all of it is.

    b: of the tensor, w (…, V·D)   index (…, N)
    """
    (segment,) = b.layout
    D = segment.shape[-1]
    room = {name: b.work[f"rows.{name}"][..., : index.shape[-1] * D] for name in ("w", "g", *b.slots)}
    few = replace(b, w=room["w"], g=room["g"], slots={name: room[name] for name in b.slots})
    copies = [
        (whole[r].reshape(-1, D), room[name][r].reshape(-1, D), index[r])
        for r in np.ndindex(index.shape[:-1])
        for name, whole in {"w": b.w, "g": b.g, **b.slots}.items()
    ]
    for tensor, rows, which in copies:
        ops.take(tensor, which, out=rows)
    move(ops, few)
    ops.fill(0.0, out=few.g)
    for tensor, rows, which in copies:
        ops.put_rows(rows, which, out=tensor)


def require_rows(optimizer: Optimizer, layout: Layout, names: Collection[str]) -> None:
    """Refuse an optimizer whose formula needs all rows of the tensors of these names.

    Raises:
        ArgumentError: For one with another rule, or with weight decay, for row-sparse tensors.
    """
    if not optimizer.by_rows:
        fix = f"choose one of these, or leave out sparse=True of {', '.join(names)}"
        got = type(optimizer).__name__
        raise ArgumentError("optimizer", expected="SGD, Adagrad or Adam with a sparse embedding", got=got, fix=fix)
    for run in runs(optimizer.groups or {}, layout, names):
        decay = run.group.weight_decay
        decay = getattr(optimizer, "weight_decay", 0.0) if decay is None else decay
        if run.rows and decay:
            fix = f"leave out sparse=True, or pass groups={{'{run.rows}': ms.Group(weight_decay=0)}}"
            expected = f"0 for {run.rows}, of which only the rows of a batch move"
            raise ArgumentError("weight_decay", expected=expected, got=decay, fix=fix)
