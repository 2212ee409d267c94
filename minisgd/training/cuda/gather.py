"""A batch in one launch: examples, targets and weights together, bytes becoming floats on the way."""

from __future__ import annotations

import numpy as np

from minisgd.backend import Arena
from minisgd.backend.cuda.cupy_vocabulary import CupyVocabulary
from minisgd.backend.cuda.kernels.gather import Gather
from minisgd.backend.cuda.views import contiguous
from minisgd.backend.dispatch import tuned
from minisgd.training.feeds.device_feeds import ResidentFeed
from minisgd.training.feeds.feed import DeviceData, Feed
from minisgd.typing import Array, Shape

NAMES = ("index", "x", "target", "weight")


@tuned("cuda", Feed, "gather")
@tuned("cuda", ResidentFeed, "gather")
def gather(self: Feed, ops: CupyVocabulary, arena: Arena, data: DeviceData, b: int, lead: Shape) -> None:
    """x = scale · data.x[index]    target = data.y[index]    weight = data.weight[index]"""
    batch = self.views(arena, b, () if self.shared else lead)
    if not _fits(ops, data, batch):
        type(self).gather(self, ops, arena, data, b, lead)
        return
    kernel = ops.family(Gather, batch["x"].dtype, ops.address)

    def emit() -> None:
        for index, x, target, *weight in contiguous(*(batch[name] for name in NAMES if name in batch)):
            kernel(
                data.x,
                index,
                x,
                scale=self.spec.scale,
                target=(data.y, target),
                weight=(data.weight, weight[0]) if data.weight is not None else None,
            )

    ops.launch("take", emit, (data.x, batch["index"]), batch["x"])


def _fits(ops: CupyVocabulary, data: DeviceData, batch: dict[str, Array]) -> bool:
    """Tell whether there is a kernel for the types of the data set."""
    stored = [data.x, data.y] + ([] if data.weight is None else [data.weight])
    return (
        ops.kernels.builds(batch["x"].dtype)
        and data.x.dtype in (np.uint8, batch["x"].dtype)
        and data.y.dtype == batch["target"].dtype
        and all(a.flags.c_contiguous for a in stored)
    )
