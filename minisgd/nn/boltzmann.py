"""What a trained restricted Boltzmann machine knows: likelihoods, reconstructions, samples, layers to go on with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, pi
from typing import Self

import numpy as np

from minisgd.checks import positive
from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn.layers.boltzmann import RBM
from minisgd.nn.network import Network, require_network
from minisgd.typing import HostArray

MOST_STATES = 1 << 20
"""Hidden states that are enumerated for an exact partition function."""


@dataclass(frozen=True)
class BoltzmannMachine:
    """A restricted Boltzmann machine as its arrays, in float64 on the host.

    p(v, h) = exp(v W hᵀ + a·v + b·h) / Z, or of Gaussian visible units exp(v W hᵀ − ½|v − a|² + b·h) / Z.

    Attributes:
        W: Weights, (V, H): column j is what hidden unit j looks for.
        a: Biases of the visible units, (V,).
        b: Biases of the hidden units, (H,).
        gaussian: Whether the visible units are Gaussian of unit variance; else they are binary.
    """

    W: HostArray
    a: HostArray
    b: HostArray
    gaussian: bool = False

    @classmethod
    def of(cls, network: Network) -> Self:
        """Return the machine in a trained network.

        Args:
            network: Its last layer is an `RBM`.

        Raises:
            ArgumentError: If there is none, or the network has no weights.
        """
        require_network(network)
        network.require_built()
        *_, (path, layer) = ((leaf.path, leaf.layer) for leaf in network.describe(network.input_shape or ()))
        if not isinstance(layer, RBM):
            raise ArgumentError("network", expected="one that ends in ms.RBM", got=layer.label, fix="train one first")
        tensors = network.to_numpy()
        W, a, b = (tensors[f"{path}.{name}"].astype(np.float64) for name in "Wab")
        return cls(W, a, b, layer.visible == "gaussian")

    # ------------------------------------------------ how likely

    def free_energy(self, v: HostArray) -> HostArray:
        """Return F(v), −ln p(v) up to ln Z, (N,).

        Args:
            v: Visible units, (N, V).
        """
        v = self._visible(v)
        hidden = np.logaddexp(0, v @ self.W + self.b).sum(-1)
        visible = 0.5 * ((v - self.a) ** 2).sum(-1) if self.gaussian else -(v @ self.a)
        energy: HostArray = visible - hidden
        return energy

    def log_partition(self) -> float:
        """Return ln Z exactly, by a sum over all 2ᴴ hidden states.

        Raises:
            ArgumentError: With more than 20 hidden units.
        """
        H = len(self.b)
        if 1 << H > MOST_STATES:
            fix = "use pseudo_log_likelihood"
            raise ArgumentError("network", expected="at most 20 hidden units to sum over", got=H, fix=fix)
        totals = []
        for h in _states(H):
            drive = h @ self.W.T
            if self.gaussian:  # ∫ exp(drive·v − ½|v − a|²) dv
                visible = drive @ self.a + 0.5 * (drive**2).sum(-1) + 0.5 * len(self.a) * log(2 * pi)
            else:
                visible = np.logaddexp(0, drive + self.a).sum(-1)
            totals.append(np.logaddexp.reduce(h @ self.b + visible))
        return float(np.logaddexp.reduce(totals))

    def log_likelihood(self, v: HostArray) -> float:
        """Return the mean of ln p(v) in nats an example, exactly.

        Args:
            v: Visible units, (N, V).

        Raises:
            ArgumentError: With more than 20 hidden units.
        """
        return float(-self.free_energy(v).mean() - self.log_partition())

    def pseudo_log_likelihood(self, v: HostArray) -> float:
        """Return the mean of Σ_i ln p(v_i | all others), of binary units: ln σ(F(v with v_i flipped) − F(v)).

        Args:
            v: Visible units, 0 or 1, (N, V).

        Raises:
            ArgumentError: For Gaussian visible units.
        """
        if self.gaussian:
            fix = "use log_likelihood with few hidden units"
            raise ArgumentError("network", expected="binary visible units", got="Gaussian ones", fix=fix)
        v = self._visible(v)
        here, total = self.free_energy(v), np.zeros(len(v))
        for i in range(v.shape[1]):
            flipped = v.copy()
            flipped[:, i] = 1 - flipped[:, i]
            total -= np.logaddexp(0, here - self.free_energy(flipped))
        return float(total.mean())

    # ------------------------------------------------ back and forth

    def hidden(self, v: HostArray) -> HostArray:
        """Return p(h = 1 | v), (N, H): features of the examples.

        Args:
            v: Visible units, (N, V).
        """
        return _sigmoid(self._visible(v) @ self.W + self.b)

    def visible(self, h: HostArray) -> HostArray:
        """Return the means of the visible units, (N, V).

        Args:
            h: Hidden units, (N, H).
        """
        drive = h @ self.W.T + self.a
        return drive if self.gaussian else _sigmoid(drive)

    def reconstruct(self, v: HostArray) -> HostArray:
        """Return the means of the visible units given those of the hidden units, (N, V).

        Args:
            v: Visible units, (N, V).
        """
        return self.visible(self.hidden(v))

    def sample(self, n: int = 16, *, steps: int = 1000, seed: int = 0, start: HostArray | None = None) -> HostArray:
        """Return visible units as the machine dreams them: their means after so many Gibbs steps, (n, V).

        Args:
            n: How many chains.
            steps: Gibbs steps of each.
            seed: Of the random numbers.
            start: Where the chains begin, (n, V); at random by default.
        """
        rng, n, steps = np.random.default_rng(seed), positive(n, "n"), positive(steps, "steps")
        v = self._drawn(np.zeros((n, len(self.a))) + 0.5 * (not self.gaussian), rng) if start is None else start
        for _ in range(steps):
            h = self.hidden(v)
            mean = self.visible((rng.random(h.shape) < h).astype(np.float64))
            v = self._drawn(mean, rng)
        return mean

    def _drawn(self, mean: HostArray, rng: np.random.Generator) -> HostArray:
        if self.gaussian:
            return mean + rng.normal(size=mean.shape)
        return (rng.random(mean.shape) < mean).astype(np.float64)

    # ------------------------------------------------ going on

    def stacked(self, network: Network, path: str) -> Network:
        """Return a copy of a network in which a dense layer begins as the way up of this machine: x W + b.

        Followed by a sigmoid it computes p(h = 1 | x); a machine trained on these goes into the next dense layer
        (Hinton and Salakhutdinov 2006).

        Args:
            network: With weights.
            path: Of the dense layer, such as "hidden1".

        Raises:
            ArgumentError: If the network has no dense layer of this size there.
        """
        network.require_built()
        duplicate, changed = network.copy(), {f"{path}.W": self.W, f"{path}.b": self.b}
        for name, array in changed.items():
            view = duplicate.parameters().get(name)
            if view is None or view.shape != array.shape:
                got = "none" if view is None else f"one of shape {view.shape}"
                fix = "use a dense layer as wide as the machine has hidden units, and its name"
                raise ArgumentError("path", expected=f"a parameter {name} of shape {array.shape}", got=got, fix=fix)
            duplicate.ops.upload(array.astype(duplicate.dtype), out=view)
        return duplicate

    def _visible(self, v: HostArray) -> HostArray:
        v = np.asarray(v, dtype=np.float64)
        if v.ndim != 2 or v.shape[1] != len(self.a):
            raise ShapeError("v", expected=f"(N, {len(self.a)})", got=v.shape, fix="give examples as rows")
        return v


def _sigmoid(x: HostArray) -> HostArray:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _states(H: int) -> Iterator[HostArray]:
    """Yield all states of H binary units, as rows, some thousand at a time."""
    for start in range(0, 1 << H, 1 << 12):
        codes = np.arange(start, min(start + (1 << 12), 1 << H))
        yield (codes[:, None] >> np.arange(H) & 1).astype(np.float64)
