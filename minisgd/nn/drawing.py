"""Initial weights: drawn for each seed from the rules of the layers, the same on every device."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

from minisgd.backend.cpu.host_memory import available_memory
from minisgd.checks import is_integer
from minisgd.errors import ArgumentError, MemoryLimitError
from minisgd.nn.initializers import Initializer, Zeros
from minisgd.nn.layer import Leaf
from minisgd.nn.layout import Layout
from minisgd.typing import HostArray, Seed


def as_seeds(seeds: Any) -> list[Seed]:
    """Return the seeds of one network or of a stack, or refuse them."""
    each = list(seeds) if isinstance(seeds, Iterable) else [seeds]
    if not each or any(not is_integer(s) or s < 0 for s in each):
        raise ArgumentError(
            "seeds", expected="an integer of at least 0, or a sequence of them", got=seeds, fix="for example seeds=0"
        )
    return [int(s) for s in each]


def require_memory(layout: Layout) -> None:
    """Refuse weights that this machine could not hold, before any is drawn."""
    (available, source), needed = available_memory(), 8 * layout.size
    if needed > available:
        largest = max(layout, key=lambda segment: prod(segment.shape))
        raise MemoryLimitError(
            f"network: {largest.name}, of shape {largest.shape},",
            expected=f"at most {available / 2**30:.3g} GiB with all other weights ({source})",
            got=f"{needed / 2**30:.3g} GiB",
            fix="use fewer features",
        )


def draw(leaves: list[Leaf], seed: Seed, init: Initializer | None) -> tuple[HostArray, HostArray]:
    """Draw the parameters and the statistics of one replica, each a flat float64 vector."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0x696E6974]))  # "init"
    rules = {"weight": init, "bias": Zeros()} if init else {}
    parameters = [
        (rules.get(p.kind) or p.init)(rng, p.shape, p.fan_in, p.fan_out).reshape(-1)
        for leaf in leaves
        for p in leaf.declaration.parameters.values()
    ]
    statistics = [
        s.init(rng, s.shape, s.fan_in, s.fan_out).reshape(-1)
        for leaf in leaves
        for s in leaf.declaration.statistics.values()
    ]
    empty = np.zeros(0)
    return np.concatenate([empty, *parameters]), np.concatenate([empty, *statistics])
