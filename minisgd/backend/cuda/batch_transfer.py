"""Double-buffered host-to-device copies of batches whose data set stays on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from minisgd.backend.batch_transfer import BatchTransfer
from minisgd.typing import Array, HostArray


class DoubleBufferedTransfer(BatchTransfer):
    """The copies beside the computing: a batch is gathered and copied while the device works on the one before.

    A batch passes a pinned buffer and a slot, of which there are two each, and copies run on a stream of their
    own. Three events keep the order: the host refills a buffer when its copy is done, a slot is overwritten when
    its batch has been taken, and the computing waits for the copy.
    """

    def __init__(self, ops: Any, slots: tuple[Array, Array]) -> None:
        super().__init__(ops, slots)
        cuda = ops.cupy.cuda
        self.computing, self.copying = ops.stream, cuda.Stream(non_blocking=True)
        self.buffers: list[HostArray] = [ops.pinned(slot.shape, slot.dtype) for slot in slots]
        self.copied, self.taken = ([cuda.Event(disable_timing=True) for _ in slots] for _ in range(2))
        self.turn = 0
        self.copying.wait_event(self.computing.record())  # slots are being cleared there

    def send(self, source: HostArray, index: HostArray, *, out: Array) -> None:
        self.turn = k = 1 - self.turn
        buffer, slot = self.buffers[k][: index.size], self.slots[k][: index.size]
        self.copied[k].synchronize()
        np.take(source, index.reshape(-1), axis=0, out=buffer, mode="clip")
        self.copying.wait_event(self.taken[k])
        slot.set(buffer, stream=self.copying)  # type: ignore[attr-defined]
        self.copied[k].record(self.copying)
        self.computing.wait_event(self.copied[k])
        self.ops.copy(slot.reshape(out.shape), out=out)
        self.taken[k].record(self.computing)
