"""Which memory a training step and an evaluation take: network, loss and batch bound together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from minisgd.backend import Arena, Request
from minisgd.nn import Loss, Network
from minisgd.nn.binding import Binder, Place
from minisgd.nn.layer import Leaf
from minisgd.nn.lending import lend
from minisgd.training.feeds.feed import Feed, require_target
from minisgd.typing import Array, Shape


@dataclass
class BoundPass:
    """A pass over a batch of b examples whose memory is known: requests first, arrays on ``realize``."""

    network: Network
    loss: Loss
    feed: Feed
    b: int
    binder: Binder
    loss_requests: dict[str, Request]

    def requests(self) -> list[Request]:
        """Return the memory that the pass asks for, besides parameters and gradients."""
        return [*self.feed.requests(self.b).values(), *self.binder.requests(), *self.loss_requests.values()]

    def realize(self, arena: Arena, lead: Shape) -> dict[str, Array]:
        """Set the attributes of layers and loss to their arrays; return those of the batch."""
        self.binder.realize(arena, lead)
        for name, request in self.loss_requests.items():
            lend(self.loss, name, arena.view(request, lead))
        batch = self.feed.views(arena, self.b, lead)
        lend(self.loss, "weight", batch.get("weight"))
        self.loss.lead = lead
        return batch


def bind_training(network: Network, loss: Loss, feed: Feed, b: int) -> BoundPass:
    """Bind forward, loss and backward for batches of b examples."""
    binder = network.binder(training=True)
    z = network.bind_forward(binder, "", Place(feed.requests(b)["x"], free=False))
    requests = _loss_requests(loss, z.request, feed)
    network.bind_backward(binder, "", Place(requests["dz"], free=True), needs_dx=False)
    return BoundPass(network, loss, feed, b, binder, requests)


def bind_evaluation(network: Network, loss: Loss, feed: Feed, b: int) -> BoundPass:
    """Bind the forward pass in evaluation, and the loss."""
    binder = network.binder(training=False)
    z = network.bind_forward(binder, "", Place(feed.requests(b)["x"], free=False))
    return BoundPass(network, loss, feed, b, binder, _loss_requests(loss, z.request, feed))


def _loss_requests(loss: Loss, z: Request, feed: Feed) -> dict[str, Request]:
    declared = loss.declare(z.shape, feed.spec.kind)
    require_target(loss, declared.target[1:], feed.spec)
    b, dtype = z.shape[0], feed.dtype
    requests = {
        "z": z,
        "dz": Request("loss.dz", z.shape, dtype, "activations"),
        "losses": Request("loss.losses", (b,), dtype, "activations"),
        "value": Request("loss.value", (), dtype, "activations"),
    }
    for name, buffer in declared.buffers.items():
        kind = buffer.dtype or dtype
        if buffer.life == "scratch":
            requests[name] = Request(f"scratch.{name}.{kind}", buffer.shape, kind, "workspaces")
        else:
            requests[name] = Request(f"loss.{name}", buffer.shape, kind, "activations")
    return requests


def row_sparse(network: Network) -> Iterator[tuple[str, Leaf, str]]:
    """Yield the tensors of which a step moves only some rows: name, layer, and the buffer that names the rows."""
    assert network.input_shape is not None
    for leaf in network.describe(network.input_shape):
        for name, parameter in leaf.declaration.parameters.items():
            if parameter.rows is not None:
                yield f"{leaf.path}.{name}", leaf, parameter.rows


def attach_random(network: Network, seeds: tuple[int, ...], clock: Any) -> None:
    """Give the layers that draw random numbers their seeds and the clock."""
    assert network.input_shape is not None
    for leaf in network.describe(network.input_shape):
        if leaf.declaration.clock:
            leaf.layer.seeds = seeds
            lend(leaf.layer, "clock", clock)
