"""Memory as declared: every buffer is requested by name, added up, and only then allocated.

A request names a key. Requests with the same key share storage, which is as large as the largest of them:
that is how a short last batch becomes a slice of the full one's buffers, and how layers that run one after
the other share scratch space.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias, get_args

import numpy as np

from minisgd.backend.ops import Ops
from minisgd.typing import Array, Shape

Owner: TypeAlias = Literal["parameters", "gradients", "optimizer state", "activations", "workspaces", "data"]

OWNERS: tuple[Owner, ...] = get_args(Owner)


@dataclass(frozen=True)
class Request:
    """An array that somebody needs: its shape without replica axes, and who answers for the memory.

    A shared request is not repeated for every replica (the data set, an evaluation batch).
    row_bytes: replicas begin at multiples of it in storage, and nobody sees what is between them
    """

    key: str
    shape: Shape
    dtype: str
    owner: Owner
    shared: bool = False
    row_bytes: int = 1

    @property
    def itemsize(self) -> int:
        return np.dtype(self.dtype).itemsize

    @property
    def bytes(self) -> int:
        """Bytes of one replica."""
        return -(-prod(self.shape) * self.itemsize // self.row_bytes) * self.row_bytes


class Plan:
    """What a set of requests takes, before anything is allocated."""

    def __init__(self, requests: Iterable[Request] = ()) -> None:
        self.largest: dict[str, Request] = {}
        self.add(requests)

    def add(self, requests: Iterable[Request]) -> None:
        """Reserve the requests beside those already there."""
        for request in requests:
            known = self.largest.get(request.key)
            if known is None or prod(request.shape) > prod(known.shape):
                self.largest[request.key] = request

    def bytes_by_owner(self, replicas: int = 1) -> dict[Owner, int]:
        """Return bytes of R replicas by owner."""
        total: dict[Owner, int] = defaultdict(int)
        for r in self.largest.values():
            total[r.owner] += r.bytes * (1 if r.shared else replicas)
        return {owner: total[owner] for owner in OWNERS}

    def bytes(self, replicas: int = 1) -> int:
        """Return the bytes of R replicas."""
        return sum(self.bytes_by_owner(replicas).values())


class Arena:
    """The storage of a plan: one block a key, each row a replica."""

    def __init__(self, ops: Ops, plan: Plan, lead: Shape) -> None:
        self.ops, self.plan = ops, plan
        self.storage: dict[str, Array] = {}
        for key, r in plan.largest.items():
            rows = 1 if r.shared else prod(lead)
            self.storage[key] = ops.zeros((rows, r.bytes // r.itemsize), r.dtype)[:, : prod(r.shape)]

    def view(self, request: Request, lead: Shape) -> Array:
        """Return the array of a request: the first elements of the first replicas of its storage.

        The examples of a batch are contiguous within a replica, so a batch of b < B examples is a slice.
        A shared array is repeated over the replica axes without copying, and then can only be read;
        whoever writes it asks for it with ``lead=()``.
        """
        size = prod(request.shape)
        if request.shared:
            one: Array = self.storage[request.key][0, :size].reshape(request.shape)
            return self.ops.broadcast(one, (*lead, *request.shape)) if lead else one
        view: Array = self.storage[request.key][: prod(lead), :size]
        return view.reshape((*lead, *request.shape))

    def part(self, prefix: str) -> Arena:
        """Return the storage of those keys that begin with a prefix, under keys without it."""
        part = copy(self)
        part.storage = {key.removeprefix(prefix): a for key, a in self.storage.items() if key.startswith(prefix)}
        return part
