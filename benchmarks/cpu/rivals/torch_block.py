"""PyTorch's modules for a transformer block, with the weights of a workload."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""From queries, keys and values (B, H, T, d) to what each position reads, like them."""


class TransformerBlock(nn.Module):
    """The mean over positions of u + MLP(norm u), u = e + attention(norm e), e = x W + b + P.

    x (B, T), a number for each position   result (B, D)
    """

    def __init__(self, heads: int, w: dict[str, np.ndarray], attention: Attention) -> None:
        super().__init__()
        self.heads, self.attention = heads, attention
        names = ("embed", "qkv", "out", "up", "down")
        self.embed, self.qkv, self.out, self.up, self.down = (dense(w[f"{n}.W"], w[f"{n}.b"]) for n in names)
        self.norms = nn.ModuleList(nn.LayerNorm(len(w["norm0.gamma"])) for _ in range(2))
        for k, norm in enumerate(self.norms):
            give(norm.weight, w[f"norm{k}.gamma"])
            give(norm.bias, w[f"norm{k}.beta"])
        self.place = nn.Parameter(torch.from_numpy(w["place.P"].copy()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        e = self.embed(x[..., None]) + self.place
        b, t, d = e.shape
        q, k, v = self.qkv(self.norms[0](e)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        u = e + self.out(self.attention(q, k, v).transpose(1, 2).reshape(b, t, d))
        return (u + self.down(F.gelu(self.up(self.norms[1](u))))).mean(1)


def dense(W: np.ndarray, b: np.ndarray) -> nn.Linear:
    """Return a dense layer with weights W (I, O) and b (O,)."""
    layer = nn.Linear(*W.shape)
    give(layer.weight, W.T)
    give(layer.bias, b)
    return layer


def give(parameter: torch.Tensor, value: np.ndarray) -> None:
    """Write a value to a parameter."""
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
