"""How a layer's gradients with respect to its parameters come from its input and the gradient of its output.

To add a layer, write its rule and a row in ``RULES``. A layer without one is not refused: it runs again, every
example as a replica of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minisgd.backend import Ops
from minisgd.nn.layer import Layer
from minisgd.nn.layers.conv import Conv2d
from minisgd.nn.layers.frozen import FrozenBatchNorm
from minisgd.nn.layers.layer_norm import LayerNorm
from minisgd.nn.layers.linear import Linear
from minisgd.nn.per_example.factors import Factor, OuterProduct, Stacked, copied, product, summed_over_positions
from minisgd.nn.per_example.replicas import by_replicas
from minisgd.nn.shapes import transpose
from minisgd.typing import Array


def linear(layer: Linear, ops: Ops, delta: Array) -> dict[str, Factor]:
    """∂/∂W: a_iᵀ δ_i    ∂/∂b: δ_i;  of a sequence, their sums over its positions

    a (n, I) or (n, T, I)   δ (n, O) or (n, T, O)
    """
    W: Factor = OuterProduct(layer.x, delta) if delta.ndim == 2 else _summed_products(ops, layer.x, delta)
    return {"W": W} | ({"b": Stacked(summed_over_positions(ops, delta))} if layer.bias else {})


def _summed_products(ops: Ops, a: Array, delta: Array) -> Stacked:
    """Return Σ_positions a_iᵀ δ_i, whose norm is no product of norms.  a (n, …, I)   δ (n, …, O)"""
    n, fan_in, o = len(a), a.shape[-1], delta.shape[-1]
    G = ops.empty((n, fan_in, o), delta.dtype)
    ops.matmul(transpose(a.reshape(n, -1, fan_in)), delta.reshape(n, -1, o), out=G)
    return Stacked(G.reshape(n, -1))


def convolution(layer: Conv2d, ops: Ops, delta: Array) -> dict[str, Factor]:
    """∂/∂W: U_iᵀ δ_i, U_i the patches of image i    ∂/∂b: Σ_positions δ_i

    A filter meets every position, so the gradient is a sum of outer products.

    δ (n, OH, OW, O)   U (n, OH·OW, K·K·C)
    """
    n, oh, ow, _ = delta.shape
    x, (ph, pw) = layer.x, layer.padding
    if layer.padding != (0, 0):
        padded = ops.zeros((n, x.shape[1] + 2 * ph, x.shape[2] + 2 * pw, x.shape[3]), x.dtype)
        ops.copy(x, out=padded[:, ph : padded.shape[1] - ph, pw : padded.shape[2] - pw])
        x = padded
    patches = copied(ops, ops.windows(x, layer.kernel, layer.stride)).reshape(n, oh * ow, -1)
    found: dict[str, Factor] = {"W": _summed_products(ops, patches, delta)}
    return found | {"b": Stacked(summed_over_positions(ops, delta))} if layer.bias else found


def normalisation(layer: LayerNorm | FrozenBatchNorm, ops: Ops, delta: Array) -> dict[str, Factor]:
    """∂/∂γ: Σ_positions δ_i x̂_i    ∂/∂β: Σ_positions δ_i

    δ is copied: the layer may write the gradient with respect to its input over it.
    """
    if isinstance(layer, FrozenBatchNorm) and not layer.affine:
        return {}
    scale = product(ops, delta, layer.xhat)
    shift = summed_over_positions(ops, delta)
    return {
        "gamma": Stacked(summed_over_positions(ops, scale)),
        "beta": Stacked(copied(ops, shift) if shift is delta else shift),
    }


RULES: dict[type[Layer], Callable[[Any, Ops, Array], dict[str, Factor]]] = {
    Linear: linear,
    Conv2d: convolution,
    LayerNorm: normalisation,
    FrozenBatchNorm: normalisation,
}
"""By the exact type: a subclass may compute something else."""


def has_rule(layer: Layer) -> bool:
    """Tell whether the layer's per-example gradients are known without running it again."""
    return type(layer) in RULES


def factors_of(layer: Layer, path: str, ops: Ops, x: Array | None, delta: Array) -> dict[str, Factor]:
    """Return the per-example gradients with respect to each parameter of a layer, by the parameter's full name.

    The layer has run forward on a batch of n. Call it before the layer's own ``backward``; OuterProduct and the
    bias of a dense layer refer to δ, which dense layers leave alone.

    x (n, *in): a copy of what the layer read, None where it has a rule
    delta (n, *out): the gradient of example i's loss with respect to y_i, not divided by n
    """
    if x is not None:
        return by_replicas(layer, path, ops, x, delta)
    return {f"{path}.{name}": factor for name, factor in RULES[type(layer)](layer, ops, delta).items()}
