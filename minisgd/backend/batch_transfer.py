"""The way of batches to a device whose memory does not hold the data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minisgd.typing import Array, HostArray

if TYPE_CHECKING:
    from minisgd.backend.ops import Ops


class BatchTransfer:
    """Gathers rows on the host and copies them to the device, batch after batch.

    slots: two arrays (n, …) of the device, through which batches of at most n rows may pass in turn
    """

    def __init__(self, ops: Ops, slots: tuple[Array, Array]) -> None:
        self.ops, self.slots = ops, slots

    def send(self, source: HostArray, index: HostArray, *, out: Array) -> None:
        """out ← source[index].  source (N, …)   index (…, b)   out (…, b, …)"""
        self.ops.upload(np.take(source, index, axis=0).reshape(out.shape), out=out)
