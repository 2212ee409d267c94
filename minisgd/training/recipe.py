"""What is trained and how: enough to know the memory of a step before any data is there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from minisgd.backend import Request
from minisgd.data.augmentation import Transform
from minisgd.nn import Loss, Network
from minisgd.nn.layer import Leaf
from minisgd.nn.layers.sync_batch_norm import SyncBatchNorm
from minisgd.optim import ClipNorm, Optimizer
from minisgd.training.binding import bind_training, row_sparse
from minisgd.training.distributed.communicator import Communicator
from minisgd.training.feeds.feed import Feed

FLAT = ("parameters", "gradients", "optimizer state")
"""Owners of vectors that hold a replica each."""


@dataclass(frozen=True)
class Recipe:
    """What is trained and how, without data: all that the memory of a step depends on.

    micro_batch: the most examples whose activations are in memory at once; larger batches are made of
    several micro-batches, and their gradients added up.
    steps_per_launch: updates whose batches and learning rates are sent to the device together
    transforms: what is done to every batch on the host
    communicator: the ranks that share every batch
    """

    network: Network
    loss: Loss
    optimizer: Optimizer
    feed: Feed
    batch_size: int
    micro_batch: int
    clip: ClipNorm | None = None
    steps_per_launch: int = 1
    transforms: tuple[Transform, ...] = ()
    communicator: Communicator | None = None

    @property
    def accumulates(self) -> bool:
        """True if a batch is made of several micro-batches or shards."""
        return self.micro_batch < self.batch_size or self.communicator is not None

    def requests(self) -> list[Request]:
        """Return all the memory of a training step."""
        net = self.network
        requests = [
            *self.fixed_requests().values(),
            *self.optimizer.requests(net.layout, net.dtype, self.rows()),
            *(self.clip.requests(net.dtype) if self.clip else []),
            *([self.total_request()] if self.accumulates else []),
            *self.shared_requests().values(),
            *self.pass_requests(),
            *self.feed.held().values(),
            *(self.multi_step_requests().values() if self.steps_per_launch > 1 else []),
        ]
        row_bytes = net.ops.row_bytes
        return [replace(r, row_bytes=row_bytes) if r.owner in FLAT else r for r in requests]

    def rows(self) -> dict[str, int]:
        """Return the tensors of which an update moves only some rows, and how many."""
        return {
            name: self.batch_size * prod(leaf.declaration.buffers[index].shape)
            for name, leaf, index in row_sparse(self.network)
        }

    @property
    def synchronised(self) -> bool:
        """True if layers normalise over all shards of a batch, so that those of a rank are computed side by side."""
        return self.communicator is not None and bool(synchronised_layers(self.network))

    def pass_requests(self) -> list[Request]:
        """Return the arrays of a pass over a micro-batch; of shards side by side those of each, and what it makes."""
        one = bind_training(self.network, self.loss, self.feed, self.micro_batch).requests()
        if self.communicator is None or not self.synchronised:
            return one
        fixed = self.fixed_requests()
        each = [*one, fixed["gradient"], replace(fixed["statistics"], owner="workspaces")]
        others = range(1, len(self.communicator.own))
        return one + [replace(r, key=shard_prefix(k) + r.key) for k in others for r in each]

    def fixed_requests(self) -> dict[str, Request]:
        """Return the arrays that every training run has, by what they are called here."""
        net = self.network
        return {
            "vector": Request("parameters", (net.layout.size,), net.dtype, "parameters"),
            "statistics": Request("statistics", (net.statistics_layout.size,), net.dtype, "parameters"),
            "gradient": Request("gradient", (net.layout.size,), net.dtype, "gradients"),
            "lr": Request("lr", (1,), net.dtype, "workspaces"),
            "share": Request("share", (), net.dtype, "workspaces", shared=True),
            "clock": Request("clock", (), "int64", "workspaces", shared=True),
            "loss_sum": Request("loss.sum", (), "float64", "workspaces"),
        }

    def total_request(self) -> Request:
        """Return the array in which the gradients of micro-batches are added up."""
        return Request("gradient.total", (self.network.layout.size,), self.network.dtype, "gradients")

    def shared_requests(self) -> dict[str, Request]:
        """Return the arrays that ranks add up and exchange, by what they are called there; none without ranks."""
        net, ranks = self.network, self.communicator
        if ranks is None:
            return {}
        channels = max((leaf.x[-1] for leaf in synchronised_layers(net)), default=0)
        return ranks.requests(net.layout.size, net.statistics_layout.size, net.dtype, channels)

    def multi_step_requests(self) -> dict[str, Request]:
        """Return the arrays of the coming updates: indices, learning rates, and the number of the next one."""
        return {
            "indices": Request("launch.indices", (self.steps_per_launch, self.batch_size), "int64", "data"),
            "rates": Request("launch.rates", (self.steps_per_launch, 1), self.network.dtype, "workspaces"),
            "step": Request("launch.step", (1,), "int64", "workspaces", shared=True),
        }


def shard_prefix(k: int) -> str:
    """Return how the keys of own shard k begin, of several side by side; those of the first are plain."""
    return f"shard {k}: "


def synchronised_layers(network: Network) -> list[Leaf]:
    """Return the layers that normalise over all shards of a batch."""
    assert network.input_shape is not None
    return [leaf for leaf in network.describe(network.input_shape) if isinstance(leaf.layer, SyncBatchNorm)]
