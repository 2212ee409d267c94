"""What ranks say to each other. All of it is built on two collective operations, which MPI and NCCL both have.

Shapes: n ranks, S shards of every batch, P parameters, Q running statistics.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from minisgd.backend import Request
from minisgd.checks import positive
from minisgd.errors import ArgumentError
from minisgd.typing import Array, HostArray

SHARDS = 8
"""Shards of a batch by default: the same bits on 1, 2, 4 and 8 ranks. Other numbers of ranks n take
the least n·2^k that is not below it."""


class Communicator(ABC):
    """The ranks of a training run, as one of them sees them.

    Args:
        rank: Which one this process is, from 0 to n − 1.
        size: n, how many there are.
        shards: S, the parts that every batch is cut into, whatever the number of ranks: what decides the bits.

    Raises:
        ArgumentError: If ranks cannot take equal shares of the shards that are subtrees of the sum over all.
    """

    device = "cpu"
    """Where the arrays are that it takes."""

    def __init__(self, rank: int, size: int, shards: int | None = None) -> None:
        if shards is None:
            shards = size << max(0, (-(-SHARDS // size) - 1).bit_length())
        self.rank, self.size, self.shards = rank, size, positive(shards, "shards")
        share = shards // size
        if shards % size or (size > 1 and share & (share - 1)):
            raise ArgumentError(
                "shards",
                expected=f"{size} ranks times 1, 2, 4, … shards",
                got=shards,
                fix=f"pass shards={size}, or start as many ranks as {shards} shards allow",
            )

    @abstractmethod
    def all_to_all(self, send: Array, *, out: Array) -> None:
        """Send row k to rank k; row k of out is what rank k has sent here.  send, out (n, …)"""

    @abstractmethod
    def all_gather(self, send: Array, *, out: Array) -> None:
        """Send an array to everybody; row k of out is that of rank k.  send (…)   out (n, …)"""

    @property
    def own(self) -> range:
        """The numbers of the shards that this rank computes."""
        share = self.shards // self.size
        return range(self.rank * share, (self.rank + 1) * share)

    def examples(self, shard: int, b: int) -> slice:
        """Return which of the b examples of a batch are those of a shard."""
        return slice(shard * b // self.shards, (shard + 1) * b // self.shards)

    def requests(self, parameters: int, statistics: int, dtype: str, synchronised: int = 0) -> dict[str, Request]:
        """Return the memory of one rank: sums on their way up the tree, what comes from the others, and statistics.

        Vectors are padded to a multiple of n, so that every rank adds up an equal slice of them.
        synchronised: the most numbers that are added up in the middle of a step
        """
        n, slice_size = self.size, -(-(parameters + statistics) // self.size)
        return {
            "total": Request("gradient.total", (len(self.own).bit_length(), n, slice_size), dtype, "gradients"),
            "received": Request("gradient.received", (n if n > 1 else 0, slice_size), dtype, "gradients"),
            "before": Request("statistics.before", (statistics,), dtype, "workspaces"),
            "exchanged": Request("statistics.exchanged", (n * synchronised,), dtype, "workspaces"),
        }

    def require_device(self, device: str) -> None:
        """Refuse a device whose arrays it does not take."""
        if device != self.device:
            function = {"cpu": "mpi", "cuda": "nccl"}.get(device)
            raise ArgumentError(
                "communicator",
                expected=f"one for device {device!r}",
                got=f"{type(self).__name__} for {self.device!r}",
                fix=f"pass communicator=ms.distributed.{function}()",
            )

    def gather(self, values: HostArray) -> HostArray:
        """Return what every rank says in a host array.  values (…)   result (n, …)"""
        out = np.empty((self.size, *values.shape), values.dtype)
        self.all_gather(np.ascontiguousarray(values), out=out)
        return out

    def agree(self, flags: Sequence[bool]) -> tuple[bool, ...]:
        """Return which flags are set on any rank, the same answer on all."""
        return tuple(self.gather(np.array(flags, np.uint8)).max(axis=0).astype(bool).tolist())

    def require_same(self, settings: Mapping[str, str]) -> None:
        """Refuse to train together what differs: data, network, arguments or versions.

        Raises:
            ArgumentError: Names the first difference; on every rank.
        """
        names = list(settings)
        digests = [hashlib.sha256(f"{name}={settings[name]}".encode()).digest() for name in names]
        everywhere = self.gather(np.frombuffer(b"".join(digests), np.uint8).reshape(len(names), -1))
        different = np.argwhere((everywhere != everywhere[0]).any(axis=2))
        if len(different):
            rank, which = different[0]
            raise ArgumentError(
                names[which],
                expected="the same on all ranks",
                got=f"{settings[names[which]]} on rank {self.rank}, and rank {rank} differs from rank 0",
                fix="start all ranks with the same script, arguments, data and versions",
            )


class PlannedRanks(Communicator):
    """Ranks that are only planned, and so say nothing: their memory is known before they are there."""

    def all_to_all(self, send: Array, *, out: Array) -> None:
        raise NotImplementedError

    def all_gather(self, send: Array, *, out: Array) -> None:
        raise NotImplementedError
