"""Multi-head attention and the block that transformers repeat, from their parts."""

from __future__ import annotations

from minisgd.checks import positive
from minisgd.errors import ArgumentError
from minisgd.nn.initializers import Initializer, XavierNormal
from minisgd.nn.layers.attention import ScaledDotProduct
from minisgd.nn.layers.gates import GELU
from minisgd.nn.layers.layer_norm import LayerNorm
from minisgd.nn.layers.linear import Linear
from minisgd.nn.sequential import Residual, Sequential


class Attention(Sequential):
    """Multi-head self-attention: y = softmax(q kᵀ / √d) v W_o + b_o, with q, k, v = x W + b  (Vaswani et al. 2017).

    x, y (…, B, T, D)   W (…, D, 3·D), queries, keys and values in one product   W_o (…, D, D)

    Args:
        features: D.
        heads: H, a divisor of D.
        causal: Whether position t reads from positions up to t only, as in a language model.
        padding: Whether positions that `Embedding` with ``padding`` found to be padding are not read.
        init: Draws both matrices; Xavier normal by default.
        name: Of the layer.

    Raises:
        ArgumentError: If features or heads is no positive integer, or the heads do not divide the features.
    """

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        causal: bool = False,
        padding: bool = False,
        init: Initializer | None = None,
        name: str | None = None,
    ) -> None:
        self.features, self.heads, self.causal = positive(features, "Attention: features"), heads, causal
        self.padding, self.init = padding, init or XavierNormal()
        super().__init__(
            Linear(3 * self.features, init=self.init),
            ScaledDotProduct(heads, causal=causal, padding=padding),
            Linear(self.features, init=self.init),
            name=name,
        )
        if self.features % heads:
            raise ArgumentError(
                f"{self.label}: heads", expected=f"a divisor of {features} features", got=heads, fix="use 1, 2 or 4"
            )


class TransformerBlock(Sequential):
    """Attention and an MLP, each around a short cut: u = x + attention(norm x), y = u + MLP(norm u).

    x, u, y (…, B, T, D). Normalised before each part, so that the short cut stays free (Xiong et al. 2020, figure 1b);
    MLP(u) = GELU(u W₁ + b₁) W₂ + b₂ at every position alike.

    Args:
        features: D.
        heads: Of the attention, a divisor of D.
        hidden: Width of the MLP; 4·D by default.
        causal: Whether position t reads from positions up to t only.
        padding: Whether positions that `Embedding` with ``padding`` found to be padding are not read.
        name: Of the block.

    Raises:
        ArgumentError: If a number is no positive integer, or the heads do not divide the features.
    """

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        hidden: int | None = None,
        causal: bool = False,
        padding: bool = False,
        name: str | None = None,
    ) -> None:
        self.features = positive(features, "TransformerBlock: features")
        self.heads, self.hidden, self.causal, self.padding = heads, hidden, causal, padding
        super().__init__(
            Residual(LayerNorm(), Attention(features, heads, causal=causal, padding=padding)),
            Residual(LayerNorm(), Linear(hidden or 4 * features), GELU(), Linear(features)),
            name=name,
        )
