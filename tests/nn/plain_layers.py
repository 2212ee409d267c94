"""The layers once more, in evaluation and in the plainest NumPy: what a prediction must be."""

from __future__ import annotations

from collections.abc import Callable
from math import erf
from typing import Any

import numpy as np

from minisgd.nn import (
    GELU,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Network,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Softplus,
    Tanh,
)
from minisgd.nn.sequential import inside
from minisgd.typing import HostArray


def plain_prediction(network: Network, x: HostArray) -> HostArray:
    """Return the outputs of a network without replicas."""
    values = {name: np.array(array) for name, array in (network.parameters() | network.running_statistics()).items()}
    return chain(network, "", values, x)


def chain(layer: Sequential, path: str, values: dict[str, Any], x: HostArray) -> HostArray:
    for position, each in enumerate(layer.layers):
        x = plain(each, inside(path, position, each), values, x)
    return x


def plain(layer: Layer, path: str, values: dict[str, Any], x: HostArray) -> HostArray:
    names = ("W", "b", "gamma", "beta", "running_mean", "running_var")
    W, b, gamma, beta, mean, var = (values.get(f"{path}.{name}") for name in names)
    b, gamma, beta = (0.0 if b is None else b), (1.0 if gamma is None else gamma), (0.0 if beta is None else beta)
    match layer:
        case Residual():
            return x + chain(layer, path, values, x)
        case Sequential():
            return chain(layer, path, values, x)
        case Linear():
            return np.einsum("bi,io->bo", x, W) + b
        case Conv2d():
            (ph, pw), kernel = layer.padding, layer.kernel
            x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
            return windows(x, kernel, layer.stride, lambda part: np.einsum("bklc,klco->bo", part, W)) + b
        case MaxPool2d():
            return windows(x, layer.kernel, layer.stride, lambda part: part.max((1, 2)))
        case AvgPool2d():
            return windows(x, layer.kernel, layer.stride, lambda part: part.mean((1, 2)))
        case GlobalAvgPool2d():
            return x.mean((1, 2))
        case Flatten():
            return x.reshape(len(x), -1)
        case BatchNorm():
            return (x - mean) / np.sqrt(var + layer.eps) * gamma + beta
        case LayerNorm():
            centred = x - x.mean(-1, keepdims=True)
            return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + layer.eps) * gamma + beta
        case Dropout():
            return x
        case ReLU():
            return np.where(x > 0, x, 0.0)
        case LeakyReLU():
            return np.where(x > 0, x, layer.negative_slope * x)
        case GELU():
            return x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2)))
        case Sigmoid():
            return 1 / (1 + np.exp(-x))
        case Tanh():
            return np.tanh(x)
        case Softplus():
            return np.logaddexp(0, x)
        case _:
            raise NotImplementedError(f"write what {layer!r} is in plain NumPy")


def windows(x: HostArray, kernel: Any, stride: Any, value: Callable[[HostArray], HostArray]) -> HostArray:
    """Apply a function to every window of images (B, H, W, C)."""
    (kh, kw), (sh, sw) = kernel, stride
    rows, columns = range(0, x.shape[1] - kh + 1, sh), range(0, x.shape[2] - kw + 1, sw)
    return np.stack([np.stack([value(x[:, i : i + kh, j : j + kw]) for j in columns], axis=1) for i in rows], axis=1)
