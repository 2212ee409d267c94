"""Where the data set is during a training run: with the caller, in device memory, or on its way there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod

from minisgd.backend import Ops, Plan
from minisgd.data import Split
from minisgd.errors import MemoryLimitError, MinisgdError
from minisgd.nn import Network
from minisgd.training.feeds.device_feeds import ResidentFeed, StreamedFeed
from minisgd.training.feeds.feed import ExampleSpec, Feed
from minisgd.training.memory import format_bytes, owners_text

USABLE = 0.95
"""Share of a device's free memory that is planned with; modules, graphs and their temporary arrays take the rest."""


def room(ops: Ops, limit: int | None) -> int | None:
    """Return the bytes that a training run may take on its device, None where nothing but the caller decides."""
    free = ops.free_memory()
    if free is None:
        return limit
    return int(USABLE * free) if limit is None else min(limit, int(USABLE * free))


def place(ops: Ops, room: int | None, needed: Callable[[type[Feed]], int]) -> type[Feed]:
    """Return the kind of feed: on the CPU the caller's arrays are used as they are; elsewhere the data set moves to
    the device if everything then fits, and otherwise stays on the host, from where batches are sent.

    needed: the bytes that a training run takes with a kind of feed
    """
    if ops.free_memory() is None:
        return Feed
    return ResidentFeed if room is None or needed(ResidentFeed) <= room else StreamedFeed


def evaluation_feed(network: Network, split: Split, scale: float, kind: type[Feed] | None = None) -> Feed:
    """Return the feed of an evaluation on a split, of a kind or of the one that fits.  scale: factor on x"""
    ops, spec = network.ops, ExampleSpec.of(split, scale, network.dtype)

    def feed(kind: type[Feed]) -> Feed:
        return kind(spec, network.dtype, shared=True, prefix="evaluation", n=len(split))

    return feed(kind or place(ops, room(ops, None), lambda kind: Plan(feed(kind).held().values()).bytes()))


@contextmanager
def planned_memory(network: Network, plan: Callable[[], Plan]) -> Iterator[None]:
    """Report a device without the memory for this block as our error, with the plan of what was asked for.

    Nothing is lost by it: training runs work on a copy of the caller's network, and what was allocated goes back.
    """
    try:
        yield
    except MinisgdError:
        raise
    except MemoryError as problem:
        replicas, asked, free = prod(network.lead), plan(), network.ops.free_memory()
        left = "" if free is None else f"; {format_bytes(free)} are free"
        raise MemoryLimitError(
            f"memory of device {network.ops.device!r}",
            expected=f"enough for {format_bytes(asked.bytes(replicas))}:\n"
            f"{owners_text(asked.bytes_by_owner(replicas))}\n",
            got=f"{str(problem) or 'no more memory'}{left}",
            fix="use a smaller batch, or memory_limit='512MiB' for micro-batches that fit",
        ) from problem
