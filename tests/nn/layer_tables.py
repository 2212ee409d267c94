"""The tables of layers, losses and initializers. A row here brings all the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import erf
from typing import Any

import numpy as np

from minisgd.nn import (
    ELU,
    GELU,
    L1,
    RBM,
    SELU,
    Adapter,
    Attention,
    AvgPool2d,
    BatchNorm,
    BinaryCrossEntropy,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Embedding,
    Energy,
    Flatten,
    GlobalAvgPool2d,
    Hardswish,
    Huber,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    LoRA,
    Loss,
    MaxPool2d,
    MeanSquaredError,
    Mish,
    PositionalEmbedding,
    PReLU,
    ReLU,
    Reshape,
    Residual,
    RMSNorm,
    ScaledDotProduct,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    SoftmaxCrossEntropy,
    Softplus,
    SyncBatchNorm,
    Tanh,
    TiedAutoencoder,
    TokenCrossEntropy,
    TransformerBlock,
    Upsample,
    init,
)
from minisgd.nn.losses.loss import TargetKind
from minisgd.typing import Shape


@dataclass(frozen=True)
class LayerRow:
    """How to make a layer for examples of a shape, what it takes, and what it is elsewhere. Sequences are (T, D).

    plain: y from (layer, x, p) in evaluation, in the plainest NumPy
    torch: the same from (torch, layer, x, p) in training and evaluation; images are channels first there, (B, C, H, W)
    p: W, P, b, a, gamma, beta, running_mean, running_var, running_weight, and whether it is training; a chain has none
    """

    make: Callable[[Shape], Layer]
    plain: Callable[[Any, Any, Any], Any] | None = None
    torch: Callable[[Any, Any, Any, Any], Any] | None = None
    features: bool = True
    images: bool = True
    sequences: bool = False
    least: int = 1
    """The smallest batch it trains on."""
    tokens: bool = False
    """Whether x is rounded down to integers from 0 to 2, so that no NaN and no derivative passes."""

    def draw(self, rng: np.random.Generator, shape: Shape) -> Any:
        """Draw examples that the layer may read as a network's first."""
        return rng.integers(0, 3, shape) * 1.0 if self.tokens else rng.normal(0, 2, shape)

    @property
    def kinds(self) -> list[str]:
        return [kind for kind in ("features", "images", "sequences") if getattr(self, kind)]

    def variant(self, make: Callable[[Shape], Layer]) -> LayerRow:
        """Return the row of the same layer with other settings."""
        return replace(self, make=make)


def windows(x: Any, layer: Any, value: Callable[[Any], Any]) -> Any:
    """Apply a function to every window of images (B, H, W, C)."""
    (kh, kw), (sh, sw) = layer.kernel, layer.stride
    rows, columns = range(0, x.shape[1] - kh + 1, sh), range(0, x.shape[2] - kw + 1, sw)
    return np.stack([np.stack([value(x[:, i : i + kh, j : j + kw]) for j in columns], axis=1) for i in rows], axis=1)


def plain_convolution(layer: Any, x: Any, p: Any) -> Any:
    (ph, pw) = layer.padding
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    return windows(x, layer, lambda part: np.einsum("bklc,klco->bo", part, p.W)) + p.b


def plain_transposed_convolution(layer: Any, x: Any, p: Any) -> Any:
    (kh, kw), (sh, sw), (ph, pw) = layer.kernel, layer.stride, layer.padding
    b, h, w, _ = x.shape
    y = np.zeros((b, (h - 1) * sh + kh, (w - 1) * sw + kw, layer.channels))
    for i, j in np.ndindex(h, w):
        y[:, i * sh : i * sh + kh, j * sw : j * sw + kw] += np.einsum("bc,cklo->bklo", x[:, i, j], p.W)
    return y[:, ph : y.shape[1] - ph, pw : y.shape[2] - pw] + p.b


def plain_layer_norm(layer: Any, x: Any, p: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + layer.eps) * p.gamma + p.beta


def torch_batch_norm(torch: Any, layer: Any, x: Any, p: Any) -> Any:
    """Cut a batch as BatchNorm says it does: a single value left over joins the ghost batch before it."""
    parts = list(torch.split(x, (p.training and layer.ghost) or len(x)))
    if len(parts) > 1 and parts[-1][:, 0].numel() == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    rest, found = (p.running_mean, p.running_var, p.gamma, p.beta, p.training), []
    for part in parts:
        momentum = p.running_weight.new_tensor(layer.averaging_rate)
        if p.training:  # PyTorch's rule with a momentum of its own for every batch corrects the bias
            p.running_weight.mul_(1 - momentum).add_(momentum)
            momentum = momentum / p.running_weight[0]
        found.append(torch.nn.functional.batch_norm(part, *rest, float(momentum), layer.eps))
    return torch.cat(found)


def torch_layer_norm(torch: Any, layer: Any, x: Any, p: Any) -> Any:
    channels = 1 if x.ndim == 4 else -1
    last = x.movedim(channels, -1)
    return torch.nn.functional.layer_norm(last, last.shape[-1:], p.gamma, p.beta, layer.eps).movedim(-1, channels)


def torch_rms_norm(torch: Any, layer: Any, x: Any, p: Any) -> Any:
    channels = 1 if x.ndim == 4 else -1
    last = x.movedim(channels, -1)
    return torch.nn.functional.rms_norm(last, last.shape[-1:], p.gamma, layer.eps).movedim(-1, channels)


def plain_attention(layer: Any, x: Any, p: Any) -> Any:
    b, t, _ = x.shape
    q, k, v = x.reshape(b, t, 3, layer.heads, -1).transpose(2, 0, 3, 1, 4)
    scores = np.einsum("bhtd,bhsd->bhts", q, k) / np.sqrt(q.shape[-1])
    if layer.causal:
        scores = np.where(np.tri(t) > 0, scores, -np.inf)
    weights = np.exp(scores)
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("bhts,bhsd->bthd", weights, v).reshape(b, t, -1)


def torch_attention(torch: Any, layer: Any, x: Any, p: Any) -> Any:
    q, k, v = x.unflatten(-1, (3, layer.heads, -1)).permute(2, 0, 3, 1, 4)
    y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=layer.causal)
    return y.transpose(1, 2).flatten(2)


ACTIVATIONS: dict[str, LayerRow] = {
    "ReLU": LayerRow(
        lambda shape: ReLU(),
        lambda layer, x, p: np.where(x > 0, x, 0.0),
        lambda torch, layer, x, p: torch.relu(x),
    ),
    "LeakyReLU": LayerRow(
        lambda shape: LeakyReLU(0.2),
        lambda layer, x, p: np.where(x > 0, x, layer.negative_slope * x),
        lambda torch, layer, x, p: torch.nn.functional.leaky_relu(x, layer.negative_slope),
    ),
    "GELU": LayerRow(
        lambda shape: GELU(),
        lambda layer, x, p: x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2))),
        lambda torch, layer, x, p: torch.nn.functional.gelu(x),
    ),
    "Sigmoid": LayerRow(
        lambda shape: Sigmoid(),
        lambda layer, x, p: 1 / (1 + np.exp(-x)),
        lambda torch, layer, x, p: torch.sigmoid(x),
    ),
    "Tanh": LayerRow(
        lambda shape: Tanh(),
        lambda layer, x, p: np.tanh(x),
        lambda torch, layer, x, p: torch.tanh(x),
    ),
    "Softplus": LayerRow(
        lambda shape: Softplus(),
        lambda layer, x, p: np.logaddexp(0, x),
        lambda torch, layer, x, p: torch.nn.functional.softplus(x),
    ),
}

MAPS: dict[str, LayerRow] = {
    "SiLU": LayerRow(
        lambda shape: SiLU(),
        lambda layer, x, p: x / (1 + np.exp(-x)),
        lambda torch, layer, x, p: torch.nn.functional.silu(x),
    ),
    "Mish": LayerRow(
        lambda shape: Mish(),
        lambda layer, x, p: x * np.tanh(np.logaddexp(0, x)),
        lambda torch, layer, x, p: torch.nn.functional.mish(x),
    ),
    "Hardswish": LayerRow(
        lambda shape: Hardswish(),
        lambda layer, x, p: x * np.clip(x + 3, 0, 6) / 6,
        lambda torch, layer, x, p: torch.nn.functional.hardswish(x),
    ),
    "ELU": LayerRow(
        lambda shape: ELU(0.7),
        lambda layer, x, p: np.where(x > 0, x, layer.alpha * (np.exp(np.minimum(x, 0)) - 1)),
        lambda torch, layer, x, p: torch.nn.functional.elu(x, layer.alpha),
    ),
    "SELU": LayerRow(
        lambda shape: SELU(),
        lambda layer, x, p: layer.scale * np.where(x > 0, x, layer.alpha * (np.exp(np.minimum(x, 0)) - 1)),
        lambda torch, layer, x, p: torch.selu(x),
    ),
    "PReLU": LayerRow(
        lambda shape: PReLU(),
        lambda layer, x, p: np.where(x > 0, x, p.a * x),
        lambda torch, layer, x, p: torch.nn.functional.prelu(x, p.a),
    ),
    "Softmax": LayerRow(
        lambda shape: Softmax(),
        lambda layer, x, p: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
        lambda torch, layer, x, p: torch.softmax(x, 1),
    ),
}
"""Activations beside those that follow every layer in the gradient checks."""

LINEAR = LayerRow(
    lambda shape: Linear(3),
    lambda layer, x, p: np.einsum("...i,io->...o", x, p.W) + p.b,
    lambda torch, layer, x, p: torch.nn.functional.linear(x, p.W.T, p.b),
    images=False,
    sequences=True,
)
CONVOLUTION = LayerRow(
    lambda shape: Conv2d(2, 3, padding=1),
    plain_convolution,
    lambda torch, layer, x, p: torch.nn.functional.conv2d(
        x, p.W.permute(3, 2, 0, 1).contiguous(), p.b, layer.stride, layer.padding
    ),
    features=False,
)
TRANSPOSED = LayerRow(
    lambda shape: ConvTranspose2d(2, 2, stride=2),
    plain_transposed_convolution,
    lambda torch, layer, x, p: torch.nn.functional.conv_transpose2d(
        x, p.W.permute(0, 3, 1, 2).contiguous(), p.b, layer.stride, layer.padding
    ),
    features=False,
)
MAX_POOL = LayerRow(
    lambda shape: MaxPool2d(2),
    lambda layer, x, p: windows(x, layer, lambda part: part.max((1, 2))),
    lambda torch, layer, x, p: torch.nn.functional.max_pool2d(x, layer.kernel, layer.stride),
    features=False,
)
AVG_POOL = LayerRow(
    lambda shape: AvgPool2d(2),
    lambda layer, x, p: windows(x, layer, lambda part: part.mean((1, 2))),
    lambda torch, layer, x, p: torch.nn.functional.avg_pool2d(x, layer.kernel, layer.stride),
    features=False,
)
BATCH_NORM = LayerRow(
    lambda shape: BatchNorm(momentum=0.3),
    lambda layer, x, p: (x - p.running_mean) / np.sqrt(p.running_var + layer.eps) * p.gamma + p.beta,
    torch_batch_norm,
    least=2,
)

ATTENTION = LayerRow(
    lambda shape: ScaledDotProduct(2 if shape[-1] % 6 == 0 else 1),
    plain_attention,
    torch_attention,
    features=False,
    images=False,
    sequences=True,
)


def free_energy(log1p_exp: Any, layer: Any, x: Any, W: Any, a: Any, b: Any) -> Any:
    visible = 0.5 * ((x - a) ** 2).sum(-1) if layer.visible == "gaussian" else -(x * a).sum(-1)
    return (visible - log1p_exp(x @ W + b).sum(-1))[:, None]


def torch_boltzmann(torch: Any, layer: Any, x: Any, p: Any) -> Any:
    F = lambda v: free_energy(torch.nn.functional.softplus, layer, v, p.W, p.a, p.b)  # noqa: E731
    if not (p.training and layer.k):
        return F(x)
    drawn = torch.tensor(np.array(layer.v[len(x) :]))
    if layer.chains:
        p.chain.copy_(drawn)
    made = F(drawn)
    return F(x) - (made.mean() if layer.chains else made)


BOLTZMANN = LayerRow(
    lambda shape: RBM(3),
    lambda layer, x, p: free_energy(lambda z: np.logaddexp(0, z), layer, x, p.W, p.a, p.b),
    torch_boltzmann,
    images=False,
)

LAYERS: dict[str, LayerRow] = (
    ACTIVATIONS
    | MAPS
    | {
        "Linear": LINEAR,
        "Linear one": LINEAR.variant(lambda shape: Linear(1)),
        "Linear without bias": LINEAR.variant(lambda shape: Linear(4, bias=False)),
        "Conv2d": CONVOLUTION,
        "Conv2d stride": CONVOLUTION.variant(lambda shape: Conv2d(3, 2, stride=2, bias=False)),
        "Conv2d rectangle": CONVOLUTION.variant(lambda shape: Conv2d(2, (1, 3), stride=(2, 1), padding=(1, 0))),
        "Conv2d 1x1": CONVOLUTION.variant(lambda shape: Conv2d(2, 1)),
        "Conv2d wide border": CONVOLUTION.variant(lambda shape: Conv2d(1, 3, stride=3, padding=2)),
        "ConvTranspose2d": TRANSPOSED,
        "ConvTranspose2d overlap": TRANSPOSED.variant(
            lambda shape: ConvTranspose2d(1, (3, 2), stride=(2, 1), padding=(1, 0), bias=False)
        ),
        "Upsample": LayerRow(
            lambda shape: Upsample((2, 1)),
            lambda layer, x, p: x.repeat(2, 1),
            lambda torch, layer, x, p: torch.nn.functional.interpolate(x, scale_factor=layer.factor),
            features=False,
        ),
        "MaxPool2d": MAX_POOL,
        "MaxPool2d overlap": MAX_POOL.variant(lambda shape: MaxPool2d((3, 2), stride=1)),
        "MaxPool2d gaps": MAX_POOL.variant(lambda shape: MaxPool2d(1, stride=2)),
        "AvgPool2d": AVG_POOL,
        "AvgPool2d overlap": AVG_POOL.variant(lambda shape: AvgPool2d((2, 3), stride=(1, 2))),
        "GlobalAvgPool2d": LayerRow(
            lambda shape: GlobalAvgPool2d(),
            lambda layer, x, p: x.mean((1, 2)),
            lambda torch, layer, x, p: x.mean((2, 3)),
            features=False,
        ),
        "Flatten": LayerRow(
            lambda shape: Flatten(),
            lambda layer, x, p: x.reshape(len(x), -1),
            lambda torch, layer, x, p: x.movedim(1, -1).flatten(1),
        ),
        "Reshape": LayerRow(
            lambda shape: Reshape(*(*shape[::-1], 1)[:2]),
            lambda layer, x, p: x.reshape(len(x), *layer.shape),
            lambda torch, layer, x, p: x.reshape(len(x), *layer.shape),
            images=False,
            sequences=True,
        ),
        "BatchNorm": BATCH_NORM,
        "BatchNorm not affine": BATCH_NORM.variant(lambda shape: BatchNorm(affine=False, eps=1e-3)),
        "BatchNorm ghost": BATCH_NORM.variant(lambda shape: BatchNorm(ghost=2)),
        "SyncBatchNorm": BATCH_NORM.variant(lambda shape: SyncBatchNorm()),
        "LayerNorm": LayerRow(lambda shape: LayerNorm(eps=1e-4), plain_layer_norm, torch_layer_norm, sequences=True),
        "RMSNorm": LayerRow(
            lambda shape: RMSNorm(eps=1e-4),
            lambda layer, x, p: x / np.sqrt((x**2).mean(-1, keepdims=True) + layer.eps) * p.gamma,
            torch_rms_norm,
            sequences=True,
        ),
        "Dropout": LayerRow(
            lambda shape: Dropout(0.4),
            lambda layer, x, p: x,
            lambda torch, layer, x, p: x * p.mask / (1 - layer.p) if p.training else x,
        ),
        "Embedding": LayerRow(
            lambda shape: Embedding(3, 2),
            lambda layer, x, p: p.W[np.clip(x, 0, 2).astype(int)],
            lambda torch, layer, x, p: torch.nn.functional.embedding(x.clamp(0, 2).long(), p.W) + 0 * x[..., None],
            images=False,
            tokens=True,
        ),
        "PositionalEmbedding": LayerRow(
            lambda shape: PositionalEmbedding(),
            lambda layer, x, p: x + p.P,
            lambda torch, layer, x, p: x + p.P,
            features=False,
            images=False,
            sequences=True,
        ),
        "ScaledDotProduct": ATTENTION,
        "ScaledDotProduct causal": ATTENTION.variant(lambda shape: ScaledDotProduct(1, causal=True)),
        "Attention": LayerRow(lambda shape: Attention(4, 2, causal=True), features=False, images=False, sequences=True),
        "TransformerBlock": LayerRow(
            lambda shape: TransformerBlock(shape[-1], 1, hidden=4), features=False, images=False, sequences=True
        ),
        "LoRA": LayerRow(
            lambda shape: LoRA(Linear(3), 2, alpha=3),
            lambda layer, x, p: x @ p.W + p.b + layer.scale * (x @ p.A) @ p.B,
            lambda torch, layer, x, p: torch.nn.functional.linear(x, (p.W + layer.scale * p.A @ p.B).T, p.b),
            images=False,
            sequences=True,
        ),
        "LoRA without bias": LayerRow(
            lambda shape: LoRA(Linear(1, bias=False), 3),
            lambda layer, x, p: x @ p.W + (x @ p.A) @ p.B,
            lambda torch, layer, x, p: x @ p.W + (x @ p.A) @ p.B,
            images=False,
            sequences=True,
        ),
        "Adapter": LayerRow(lambda shape: Adapter(Linear(3), 2), images=False, sequences=True),
        "Adapter of a block": LayerRow(
            lambda shape: Adapter(TransformerBlock(shape[-1], 1, hidden=4), 2),
            features=False,
            images=False,
            sequences=True,
        ),
        "TiedAutoencoder": LayerRow(
            lambda shape: TiedAutoencoder(3),
            lambda layer, x, p: 1 / (1 + np.exp(-x @ p.W - p.b)) @ p.W.T + p.c,
            lambda torch, layer, x, p: torch.sigmoid(x @ p.W + p.b) @ p.W.T + p.c,
            images=False,
        ),
        "RBM": BOLTZMANN,
        "RBM CD-2": BOLTZMANN.variant(lambda shape: RBM(2, k=2)),
        "RBM persistent": BOLTZMANN.variant(lambda shape: RBM(3, chains=2)),
        "RBM free energy": BOLTZMANN.variant(lambda shape: RBM(3, k=0, visible="gaussian")),
        "Residual": LayerRow(lambda shape: Residual(Linear(shape[-1]), Tanh()), images=False, sequences=True),
        "Residual of Residual": LayerRow(
            lambda shape: Residual(Residual(Conv2d(shape[-1], 1)), Sigmoid()), features=False
        ),
        "Sequential": LayerRow(lambda shape: Sequential(Linear(3), Sequential(Softplus(), Linear(2))), images=False),
    }
)


def row_of(layer: Layer) -> LayerRow:
    """Return the first row of a layer's class."""
    return next(row for row in LAYERS.values() if type(row.make((3, 3, 2))) is type(layer))


def _classes(rng: np.random.Generator, z: Shape) -> Any:
    return rng.integers(0, z[-1], z[:-1])


def _some_classes(rng: np.random.Generator, z: Shape) -> Any:
    """Draw classes, with -1 or -100 where a position does not count."""
    return np.where(rng.random(z[:-1]) < 0.7, _classes(rng, z), rng.choice([-1, -100], z[:-1]))


def _probabilities(rng: np.random.Generator, z: Shape) -> Any:
    return rng.dirichlet(np.ones(z[-1]), z[:-1])


def _fractions(rng: np.random.Generator, z: Shape) -> Any:
    return rng.uniform(0, 1, z)


def _values(rng: np.random.Generator, z: Shape) -> Any:
    return rng.normal(0, 2, z)


@dataclass(frozen=True)
class LossRow:
    """How to make a loss, what kind of target it takes and how to draw one for predictions of a shape."""

    make: Callable[[], Loss]
    kind: TargetKind
    draw: Callable[[np.random.Generator, Shape], Any]


LOSSES: dict[str, LossRow] = {
    "SoftmaxCrossEntropy": LossRow(lambda: SoftmaxCrossEntropy(), "labels", _classes),
    "SoftmaxCrossEntropy smooth": LossRow(lambda: SoftmaxCrossEntropy(label_smoothing=0.1), "labels", _classes),
    "SoftmaxCrossEntropy soft": LossRow(lambda: SoftmaxCrossEntropy(), "values", _probabilities),
    "SoftmaxCrossEntropy soft, smooth": LossRow(
        lambda: SoftmaxCrossEntropy(label_smoothing=0.2), "values", _probabilities
    ),
    "TokenCrossEntropy": LossRow(lambda: TokenCrossEntropy(label_smoothing=0.1), "labels", _some_classes),
    "BinaryCrossEntropy": LossRow(lambda: BinaryCrossEntropy(), "values", _fractions),
    "MeanSquaredError": LossRow(lambda: MeanSquaredError(), "values", _values),
    "L1": LossRow(lambda: L1(), "values", _values),
    "Energy": LossRow(lambda: Energy(), "values", _values),
    "Huber": LossRow(lambda: Huber(delta=1.3), "values", _values),
}


INITIALIZERS: dict[str, init.Initializer] = {
    "Constant": init.Constant(0.3),
    "Zeros": init.Zeros(),
    "Ones": init.Ones(),
    "Normal": init.Normal(0.2),
    "HeNormal": init.HeNormal(),
    "HeUniform": init.HeUniform(),
    "XavierNormal": init.XavierNormal(gain=1.5),
    "XavierUniform": init.XavierUniform(),
    "FanInUniform": init.FanInUniform(),
}


def shape_of(kind: str, rng: np.random.Generator) -> Shape:
    """Draw the shape of one example: (F), (T, D) or (H, W, C), large enough for every kernel in the table."""
    if kind == "features":
        return (int(rng.integers(1, 6)),)
    if kind == "sequences":
        return (int(rng.integers(1, 5)), int(rng.choice([3, 6])))
    return (int(rng.integers(3, 5)), int(rng.integers(3, 6)), int(rng.integers(1, 3)))


CASES = [(name, kind) for name, row in LAYERS.items() for kind in row.kinds]
"""Every layer with every kind of input that it takes."""
