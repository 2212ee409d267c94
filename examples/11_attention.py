"""Attention on a task of copying: where does a transformer look, and how large may its batches be?

The task. Six random tokens, then the same six again; the network sees the sequence up to position t and says token
t + 1. In the second half it can know, if it looks up what came six positions before: the first half, where nothing is
to be known, does not count (its labels are −1).

Theory. One causal block can do this by position alone: query t has to find key t − 5, and softmax(q kᵀ / √d) becomes
a permutation (Vaswani et al. 2017, equation 1). Updates to a goal fall with the batch size while gradient noise is what
costs them, and no further beyond the critical batch size, which belongs to the task and the network (McCandlish et al.
2018, section 2). Adam at one learning rate gains less than SGD from the first doublings.

Look at: on the left, the second half, where every row has its weight in one place, on a parallel to the diagonal. On
the right, dotted, twice the batch would halve the updates. Both curves bend away from that; the transformer's is flat
from a batch of about 32 on, where the MLP, which must learn every position anew, still gains from 256.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _style import BLUE, GREEN, arguments, panels, save

import minisgd as ms

TOKENS, HALF, WIDTH = 8, 6, 32
NAMES = tuple("abcdefgh")


def sequences(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return n sequences and what follows every position of them, −1 in the first half.  (n, 11), (n, 11)"""
    half = np.random.default_rng(seed).integers(0, TOKENS, (n, HALF))
    x = np.concatenate([half, half], axis=1)
    return x[:, :-1], np.where(np.arange(2 * HALF - 1) >= HALF - 1, x[:, 1:], -1)


def transformer() -> ms.Network:
    """Return one causal block between an embedding and a dense layer, the same at every position."""
    block = ms.TransformerBlock(WIDTH, 1, causal=True)
    return ms.Network(
        ms.Embedding(TOKENS, WIDTH, init=ms.init.Normal(0.3)), ms.PositionalEmbedding(init=ms.init.Normal(0.3)),
        block, ms.Linear(TOKENS),
    )  # fmt: skip


def mlp() -> ms.Network:
    """Return an MLP with about as many parameters that reads all positions at once, even the answers."""
    n = 2 * HALF - 1
    return ms.Network(
        ms.Embedding(TOKENS, 8, init=ms.init.Normal(1.0)), ms.Flatten(), ms.Linear(64), ms.ReLU(),
        ms.Linear(n * TOKENS), ms.Reshape(n, TOKENS),
    )  # fmt: skip


def weights(net: ms.Network, x: np.ndarray) -> np.ndarray:
    """Return the attention weights of a trained transformer on one sequence, by the formula.  x (T)   result (T, T)"""
    p = net.to_numpy()
    u = p["0.W"][x] + p["1.P"]
    u = (u - u.mean(-1, keepdims=True)) / np.sqrt(u.var(-1, keepdims=True) + 1e-5) * p["2.0.0.gamma"] + p["2.0.0.beta"]
    q, k, _ = np.split(u @ p["2.0.1.0.W"] + p["2.0.1.0.b"], 3, axis=-1)
    scores = np.where(np.tri(len(x)) > 0, q @ k.T / np.sqrt(WIDTH), -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Until(ms.Callback):
    """End a training run when the validation accuracy has reached a target."""

    def __init__(self, accuracy: float) -> None:
        self.accuracy = accuracy

    def on_evaluation(self, training, record) -> bool:
        return record["val_accuracy"] >= self.accuracy


def updates(network: ms.Network, data: ms.Dataset, batch_size: int, steps: int, target: float = 0.99) -> ms.Run:
    """Train until the target, or for so many updates, evaluating after every five."""
    return ms.train(
        network, data, loss=ms.TokenCrossEntropy(), optimizer=ms.Adam(lr=0.001), batch_size=batch_size, steps=steps,
        evaluate_every=5 * batch_size / len(data), callbacks=[Until(target)], seed=0,
    )  # fmt: skip


def main(
    out: Path, sizes: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128, 256), steps: int = 6000, shown_after: int = 600
) -> None:
    """Train both networks with every batch size, print the updates to 99 %, and draw them beside the attention."""
    x, y = sequences(4596)
    data = ms.Dataset.from_arrays(x[500:], y[500:], validation=(x[:500], y[:500]), classes=NAMES)
    figure, (left, right) = panels("attention weights of one sequence", "updates to 99 % of the second half right")
    for network, colour in ((transformer(), BLUE), (mlp(), GREEN)):
        runs = [updates(network, data, b, steps) for b in sizes]
        name = "transformer" if colour == BLUE else "MLP"
        found = np.array([r.steps if r.evaluate()["accuracy"] >= 0.99 else np.nan for r in runs])
        print(f"{name:12} {runs[0].network.n_parameters:6,} parameters; updates by batch size:")
        print("   ".join(f"{b}: {k:g}" for b, k in zip(sizes, found, strict=True)))
        right.plot(sizes, found, color=colour, marker="o", ms=4, label=name)
        right.plot(sizes, found[0] * sizes[0] / np.array(sizes), color=colour, ls=":", lw=1)
        if colour == BLUE:
            longer = updates(network, data, 32, shown_after, target=1.1)
            shown = weights(longer.network, data.validation.x[0].astype(int))
            print(f"weight on the position to copy from: {np.diag(shown, 1 - HALF).mean():.3f}")
    left.imshow(shown, cmap="Blues", vmin=0, vmax=1)
    letters = [NAMES[int(token)] for token in data.validation.x[0]]
    ticks = range(len(letters))
    left.set(xlabel="key", ylabel="query", xticks=ticks, yticks=ticks, xticklabels=letters, yticklabels=letters)
    left.grid(visible=False)
    right.set(xscale="log", yscale="log", xlabel="batch size", ylabel="updates", ylim=(10, 3000))
    right.legend()
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)
