"""Attention: where does a transformer look, as it copies a text and as it reads a digit?

The tasks. Copying: six random tokens, then the same six again; the network sees the sequence up to position t and says
token t + 1. In the second half it can know, if it looks up what came six positions before: the first half, where
nothing is to be known, does not count (its labels are −1). Reading: an image of 8×8 pixels is a sequence of its rows,
from the top, and the network says which digit it is.

Theory. Attention mixes what positions say by P = softmax(q kᵀ / √d), one row for each that asks (Vaswani et al. 2017,
equation 1). One causal block can copy by position alone: query t has to find key t − 5, and P becomes a permutation.
For a digit no row is the right one to ask; P only has to serve the layers after it.

Look at: on the left, the second half, where every row has its weight in one place, on a parallel to the diagonal. On
the right, the mean image of each digit and below it the mean P of its images, a row of the image that asks in each
row: here weights are spread, on the row itself no more than on others, and other rows are asked for every digit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _style import arguments, panels, save

import minisgd as ms

TOKENS, HALF, WIDTH = 8, 6, 32
NAMES = tuple("abcdefgh")


def sequences(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return n sequences and what follows every position of them, −1 in the first half.  (n, 11), (n, 11)"""
    half = np.random.default_rng(seed).integers(0, TOKENS, (n, HALF))
    x = np.concatenate([half, half], axis=1)
    return x[:, :-1], np.where(np.arange(2 * HALF - 1) >= HALF - 1, x[:, 1:], -1)


def block(causal: bool) -> list[ms.Layer]:
    """Return what both networks have in their middle: a row for every position, and one block with one head."""
    return [
        ms.PositionalEmbedding(init=ms.init.Normal(0.3), name="place"),
        ms.TransformerBlock(WIDTH, 1, causal=causal, name="block"),
    ]


def weights(net: ms.Network, x: np.ndarray, causal: bool) -> np.ndarray:
    """Return the attention weights of a trained network, by the formula.

    x (…, T) tokens or (…, T, F) numbers   result (…, T, T)
    """
    p = net.to_numpy()
    u = (p["embed.W"][x] if x.dtype.kind == "i" else x @ p["embed.W"] + p["embed.b"]) + p["place.P"]
    u = (u - u.mean(-1, keepdims=True)) / np.sqrt(u.var(-1, keepdims=True) + 1e-5)
    u = u * p["block.0.0.gamma"] + p["block.0.0.beta"]
    q, k, _ = np.split(u @ p["block.0.1.0.W"] + p["block.0.1.0.b"], 3, axis=-1)
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(WIDTH)
    if causal:
        scores = np.where(np.tri(scores.shape[-1]) > 0, scores, -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def main(out: Path, steps: int = 600, epochs: float = 30) -> None:
    """Train one network to copy and one to read, and draw where they look."""
    figure, (left, right) = panels("copying: weights of one sequence", "reading: mean images, and mean weights")
    x, y = sequences(4596)
    data = ms.Dataset.from_arrays(x[500:], y[500:], validation=(x[:500], y[:500]), classes=NAMES)
    embed = ms.Embedding(TOKENS, WIDTH, init=ms.init.Normal(0.3), name="embed")
    run = ms.train(
        ms.Network(embed, *block(causal=True), ms.Linear(TOKENS)), data, loss=ms.TokenCrossEntropy(),
        optimizer=ms.Adam(lr=0.001), batch_size=32, steps=steps, seed=0,
    )  # fmt: skip
    shown = weights(run.network, x[0], causal=True)
    copied = np.diag(shown, 1 - HALF).mean()
    print(f"copying: accuracy {run.evaluate()['accuracy']:.3f}, weight on the position to copy from {copied:.3f}")
    left.imshow(shown, cmap="Blues", vmin=0, vmax=1)
    ticks, letters = range(len(x[0])), [NAMES[token] for token in x[0]]
    left.set(xlabel="key", ylabel="query", xticks=ticks, yticks=ticks, xticklabels=letters, yticklabels=letters)

    digits = ms.datasets.digits(images=True, seed=0)
    layers = [ms.Reshape(8, 8), ms.Linear(WIDTH, init=ms.init.XavierNormal(), name="embed"), *block(causal=False)]
    run = ms.train(
        ms.Network(*layers, ms.LayerNorm(), ms.Flatten(), ms.Linear(10)), digits,
        optimizer=ms.Adam(lr=0.002), batch_size=32, epochs=epochs, seed=0,
    )  # fmt: skip
    images = digits.validation.x[..., 0] * np.float32(digits.scale)
    found = weights(run.network, images, causal=False)
    own = np.diagonal(found, axis1=1, axis2=2).mean()
    print(f"reading: accuracy {run.evaluate()['accuracy']:.3f}, weight of a row on itself {own:.3f} (of all: 0.125)")
    for line, each in enumerate((images, found)):
        means = [each[digits.validation.y == digit].mean(0) for digit in range(10)]
        for half in range(2):  # digits 0 to 4, and below them 5 to 9
            tiles = np.hstack([np.pad(m / m.max(), 1, constant_values=np.nan) for m in means[5 * half : 5 * half + 5]])
            low = 20 * (1 - half) + 10 * (1 - line)
            right.imshow(tiles, cmap=("gray_r", "Blues")[line], extent=(0, 50, low, low + 10), vmin=0, vmax=1)
    right.set(xlim=(0, 50), ylim=(0, 40))
    right.axis("off")
    for ax in (left, right):
        ax.grid(visible=False)
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
