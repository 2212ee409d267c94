"""Per-example gradients of any layer: leading axes are replicas, so every example gets one with a batch of one."""

from __future__ import annotations

from minisgd.backend import Arena, Ops, Plan, Request
from minisgd.nn.binding import Binder, Place
from minisgd.nn.layer import Layer
from minisgd.nn.lending import lend
from minisgd.nn.per_example.factors import Factor, Stacked, copied
from minisgd.nn.sequential import clone
from minisgd.nn.shapes import row
from minisgd.typing import Array, Shape


def by_replicas(layer: Layer, path: str, ops: Ops, x: Array, delta: Array) -> dict[str, Factor]:
    """Run n replicas of a layer, the same weights in each, on one example each; return their gradients.

    x (n, *in) what the layer read, before it may have written over it
    delta (n, *out): the gradient with respect to its output
    """
    n, dtype = len(delta), delta.dtype.name
    duplicate = clone(layer)
    one: Shape = (1, *x.shape[1:])
    binder = Binder(dtype, training=True, method=ops.method)
    one_x = Request("replicas.x", one, dtype, "data")
    y = duplicate.bind_forward(binder, path, Place(one_x, free=False))
    dy = Request("replicas.dy", y.shape, dtype, "data")
    duplicate.bind_backward(binder, path, Place(dy, free=False), needs_dx=False)
    arena = Arena(ops, Plan([one_x, dy, *binder.requests()]), (n,))
    binder.realize(arena, (n,))
    gradients = _attach(layer, duplicate, path, ops, one, n)
    for request, batch in ((one_x, x), (dy, delta)):
        ops.copy(batch[:, None], out=arena.view(request, (n,)))
    ops.method(duplicate, "forward")(ops, arena.view(one_x, (n,)))
    ops.method(duplicate, "backward")(ops, arena.view(dy, (n,)))
    return {name: Stacked(gradient.reshape(n, -1)) for name, gradient in gradients.items()}


def _attach(layer: Layer, duplicate: Layer, path: str, ops: Ops, x: Shape, n: int) -> dict[str, Array]:
    """Give the replicas copies of the weights, and arrays for their gradients, which are returned by name."""
    gradients: dict[str, Array] = {}
    for mine, theirs in zip(duplicate.leaves(x, path), layer.leaves(x, path), strict=True):
        declared = mine.declaration
        for name, p in (declared.parameters | declared.statistics).items():
            value = getattr(theirs.layer, name).reshape(p.shape)
            lend(mine.layer, name, row(copied(ops, value, (n, *p.shape)), p.shape))
        for name, p in declared.parameters.items():
            gradients[f"{mine.path}.{name}"] = gradient = ops.zeros((n, *p.shape), value.dtype)
            lend(mine.layer, f"d{name}", row(gradient, p.shape))
    return gradients
