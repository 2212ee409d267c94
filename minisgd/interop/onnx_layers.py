"""What every layer computes in evaluation, as nodes of ONNX.

To add a layer, write its function and a row in ``NODES``. Images are (B, H, W, C) here and (B, C, H, W) in ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any

import numpy as np

from minisgd.errors import ArgumentError
from minisgd.interop.graph import Graph, Value
from minisgd.nn.adapters import LoRA
from minisgd.nn.layer import Layer
from minisgd.nn.layers.activations import LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from minisgd.nn.layers.attention import HIDDEN, LEAST, ScaledDotProduct
from minisgd.nn.layers.batch_norm import BatchNorm
from minisgd.nn.layers.boltzmann import RBM
from minisgd.nn.layers.conv import Conv2d
from minisgd.nn.layers.conv_transpose import ConvTranspose2d
from minisgd.nn.layers.dropout import Dropout
from minisgd.nn.layers.embedding import Embedding, PositionalEmbedding
from minisgd.nn.layers.flatten import Flatten, Reshape
from minisgd.nn.layers.frozen import FrozenBatchNorm, Identity
from minisgd.nn.layers.gates import GELU, Hardswish, Mish, SiLU
from minisgd.nn.layers.layer_norm import LayerNorm
from minisgd.nn.layers.linear import Linear
from minisgd.nn.layers.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d, Pool2d
from minisgd.nn.layers.rectifiers import ELU, SELU, PReLU
from minisgd.nn.layers.rms_norm import RMSNorm
from minisgd.nn.layers.softmax import Softmax
from minisgd.nn.layers.sync_batch_norm import SyncBatchNorm
from minisgd.nn.layers.tied import TiedAutoencoder
from minisgd.nn.layers.upsample import Upsample
from minisgd.nn.sequential import Residual, Sequential
from minisgd.typing import HostArray, Shape


class Parameters:
    """The arrays of one layer, by attribute."""

    def __init__(self, arrays: Mapping[str, HostArray], path: str) -> None:
        start = f"{path}."
        own = {name: array for name, array in arrays.items() if name.startswith(start)}
        vars(self).update({name.removeprefix(start): array for name, array in own.items()})

    def __getattr__(self, name: str) -> HostArray:
        raise AttributeError(name)


def chain(g: Graph, layers: Sequential, x: Value, shape: Shape, arrays: Mapping[str, HostArray], path: str) -> Value:
    """Add the nodes of a chain of layers. shape: of x, (B, …)   arrays: of the network, by name"""
    y = x
    for position, layer in enumerate(layers.layers):
        own = layers.path_of(path, position, layer)
        if isinstance(layer, Sequential) and type(layer).forward in (Sequential.forward, Residual.forward):
            y = chain(g, layer, y, shape, arrays, own)
        elif type(layer) in NODES:
            y = NODES[type(layer)](g, layer, y, shape, Parameters(arrays, own))
        else:
            raise ArgumentError(
                f"layer {own}",
                expected="one with a form in ONNX: " + ", ".join(sorted(kind.__name__ for kind in NODES)),
                got=layer.label,
                fix="replace it by layers that have one",
            )
        shape = layer.declare(shape).y
    return g.add("Add", x, y) if isinstance(layers, Residual) else y


def linear(g: Graph, layer: Linear, x: Value, shape: Shape, p: Any) -> Value:
    """y = x W + b"""
    y = g.add("MatMul", x, p.W)
    return g.add("Add", y, p.b) if layer.bias else y


def convolution(g: Graph, layer: Conv2d, x: Value, shape: Shape, p: Any) -> Value:
    """W (K, K, C, O), in ONNX (O, C, K, K)"""
    return _convolved(g, "Conv", layer, x, p, p.W.transpose(3, 2, 0, 1))


def transposed_convolution(g: Graph, layer: ConvTranspose2d, x: Value, shape: Shape, p: Any) -> Value:
    """W (C, K, K, O), in ONNX (C, O, K, K)"""
    return _convolved(g, "ConvTranspose", layer, x, p, p.W.transpose(0, 3, 1, 2))


def _convolved(g: Graph, operator: str, layer: Conv2d, x: Value, p: Any, W: HostArray) -> Value:
    arrays = (W, p.b) if layer.bias else (W,)
    pads = [*layer.padding, *layer.padding]
    return g.channels_last(g.add(operator, g.channels_first(x), *arrays, strides=layer.stride, pads=pads))


def pooling(operator: str) -> Callable[..., Value]:
    """Return the conversion of a pooling layer."""

    def convert(g: Graph, layer: Pool2d, x: Value, shape: Shape, p: Any) -> Value:
        pooled = g.add(operator, g.channels_first(x), kernel_shape=layer.kernel, strides=layer.stride)
        return g.channels_last(pooled)

    return convert


def upsample(g: Graph, layer: Upsample, x: Value, shape: Shape, p: Any) -> Value:
    """Every pixel S·S times."""
    scales = np.array([1, 1, *layer.factor], np.float32)
    as_copies = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return g.channels_last(g.add("Resize", g.channels_first(x), "", scales, **as_copies))


def batch_norm(g: Graph, layer: BatchNorm, x: Value, shape: Shape, p: Any) -> Value:
    """y = (x − r_mean) s + β, s = γ / √(r_var + ε)"""
    scale = 1 / np.sqrt(p.running_var.astype(np.float64) + layer.eps)
    centred = g.add("Sub", x, p.running_mean)
    if not layer.affine:
        return g.add("Mul", centred, scale.astype(np.float32))
    return g.add("Add", g.add("Mul", centred, (p.gamma * scale).astype(np.float32)), p.beta)


def layer_norm(g: Graph, layer: LayerNorm, x: Value, shape: Shape, p: Any) -> Value:
    """y = γ (x − μ) / √(σ² + ε) + β, over the last axis"""
    return g.add("LayerNormalization", x, p.gamma, p.beta, axis=-1, epsilon=layer.eps)


def rms_norm(g: Graph, layer: RMSNorm, x: Value, shape: Shape, p: Any) -> Value:
    """y = γ x / √(mean x² + ε), over the last axis"""
    mean = g.add("ReduceMean", g.add("Mul", x, x), np.array([-1]), keepdims=1)
    return g.add("Mul", g.add("Div", x, g.add("Sqrt", g.add("Add", mean, layer.eps))), p.gamma)


def embedding(g: Graph, layer: Embedding, x: Value, shape: Shape, p: Any) -> Value:
    """y = W[x], tokens outside the vocabulary taken for the first or the last"""
    tokens = g.cast(g.add("Clip", x, 0.0, float(layer.vocabulary - 1)), "int64")
    if layer.padding is not None:
        g.hidden = g.add("Mul", g.cast(g.add("Equal", tokens, np.array(layer.padding)), "float32"), HIDDEN)
    return g.add("Gather", p.W, tokens, axis=0)


def attention(g: Graph, layer: ScaledDotProduct, x: Value, shape: Shape, p: Any) -> Value:
    """y = softmax(q kᵀ / √d) v, head by head.  x (B, T, 3·D)"""
    t, width = shape[1], shape[2] // 3
    d = width // layer.heads
    heads = g.add("Transpose", g.reshape(x, t, 3, layer.heads, d), perm=[2, 0, 3, 1, 4])
    q, k, v = (g.add("Gather", heads, np.array(i), axis=0) for i in range(3))
    scores = g.add("MatMul", g.add("Mul", q, 1 / sqrt(d)), g.add("Transpose", k, perm=[0, 1, 3, 2]))
    if layer.causal:
        scores = g.add("Add", scores, np.triu(np.full((t, t), HIDDEN, np.float32), 1))
    if layer.padding:
        scores = g.add("Add", scores, g.add("Unsqueeze", g.hidden, np.array([1, 2])))
    P = g.add("Softmax", scores, axis=-1)
    if layer.padding:  # who has none to read from gets 0
        P = g.add("Mul", P, g.cast(g.add("Greater", scores, LEAST), "float32"))
    context = g.add("MatMul", P, v)
    return g.reshape(g.add("Transpose", context, perm=[0, 2, 1, 3]), t, width)


def gelu(g: Graph, layer: GELU, x: Value, shape: Shape, p: Any) -> Value:
    """y = x Φ(x) = ½ x (1 + erf(x / √2))"""
    chance = g.add("Add", g.add("Erf", g.add("Mul", x, 1 / sqrt(2))), 1.0)
    return g.add("Mul", g.add("Mul", x, 0.5), chance)


def low_rank(g: Graph, layer: LoRA, x: Value, shape: Shape, p: Any) -> Value:
    """y = x (W + s A B) + b"""
    y = g.add("MatMul", x, p.W + np.float32(layer.scale) * (p.A @ p.B))
    return g.add("Add", y, p.b) if layer.layer.bias else y


def tied(g: Graph, layer: TiedAutoencoder, x: Value, shape: Shape, p: Any) -> Value:
    """y = σ(x W + b) Wᵀ + c"""
    code = g.add("Sigmoid", g.add("Add", g.add("MatMul", x, p.W), p.b))
    return g.add("Add", g.add("MatMul", code, p.W.T), p.c)


def free_energy(g: Graph, layer: RBM, x: Value, shape: Shape, p: Any) -> Value:
    """y = −x·a − Σ softplus(x W + b), or ½|x − a|² in place of −x·a"""
    last = np.array([-1])
    hidden = g.add("ReduceSum", g.add("Softplus", g.add("Add", g.add("MatMul", x, p.W), p.b)), last, keepdims=1)
    if layer.visible == "binary":
        return g.add("Sub", g.add("MatMul", x, -p.a[:, None]), hidden)
    centred = g.add("Sub", x, p.a)
    square = g.add("ReduceSum", g.add("Mul", centred, centred), last, keepdims=1)
    return g.add("Sub", g.add("Mul", square, 0.5), hidden)


NODES: dict[type[Layer], Callable[..., Value]] = {
    Linear: linear,
    Conv2d: convolution,
    ConvTranspose2d: transposed_convolution,
    MaxPool2d: pooling("MaxPool"),
    AvgPool2d: pooling("AveragePool"),
    GlobalAvgPool2d: lambda g, layer, x, shape, p: g.add("ReduceMean", x, np.array([1, 2]), keepdims=0),
    Upsample: upsample,
    Flatten: lambda g, layer, x, shape, p: g.add("Flatten", x),
    Reshape: lambda g, layer, x, shape, p: g.reshape(x, *layer.shape),
    LoRA: low_rank,
    RBM: free_energy,
    TiedAutoencoder: tied,
    BatchNorm: batch_norm,
    SyncBatchNorm: batch_norm,
    FrozenBatchNorm: batch_norm,
    Identity: lambda g, layer, x, shape, p: x,
    LayerNorm: layer_norm,
    RMSNorm: rms_norm,
    Dropout: lambda g, layer, x, shape, p: x,
    Embedding: embedding,
    PositionalEmbedding: lambda g, layer, x, shape, p: g.add("Add", x, p.P),
    ScaledDotProduct: attention,
    ReLU: lambda g, layer, x, shape, p: g.add("Relu", x),
    LeakyReLU: lambda g, layer, x, shape, p: g.add("LeakyRelu", x, alpha=layer.negative_slope),
    PReLU: lambda g, layer, x, shape, p: g.add("PRelu", x, p.a),
    ELU: lambda g, layer, x, shape, p: g.add("Elu", x, alpha=layer.alpha),
    SELU: lambda g, layer, x, shape, p: g.add("Selu", x, alpha=layer.alpha, gamma=layer.scale),
    GELU: gelu,
    SiLU: lambda g, layer, x, shape, p: g.add("Mul", x, g.add("Sigmoid", x)),
    Mish: lambda g, layer, x, shape, p: g.add("Mul", x, g.add("Tanh", g.add("Softplus", x))),
    Hardswish: lambda g, layer, x, shape, p: g.add("HardSwish", x),
    Sigmoid: lambda g, layer, x, shape, p: g.add("Sigmoid", x),
    Tanh: lambda g, layer, x, shape, p: g.add("Tanh", x),
    Softplus: lambda g, layer, x, shape, p: g.add("Softplus", x),
    Softmax: lambda g, layer, x, shape, p: g.add("Softmax", x, axis=-1),
}
"""By layer, the function that adds its nodes and returns y: (graph, layer, x, shape of x, its parameters) → y."""
