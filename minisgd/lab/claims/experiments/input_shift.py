"""How much the inputs of hidden layers change from one step of training to the next.

Ioffe and Szegedy 2015 call it internal covariate shift; Santurkar et al. 2018 (section 2) measure it with and without
batch normalisation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minisgd.lab.claims.experiment import Experiment, Unsuitable
from minisgd.lab.claims.lab import Lab
from minisgd.lab.claims.setting import Setting
from minisgd.nn import BatchNorm, Flatten, Linear, Network, ReLU
from minisgd.typing import Array, HostArray

STEPS, BATCH, PROBE = 100, 64, 256
"""Steps watched, examples in a step, and examples whose way through the layers is looked at."""


@dataclass(frozen=True)
class InputShift:
    """The change of the inputs of hidden layers from step to step, in units of their spread.

    change (T, S): √(|Δμ|² + |Δσ|²) / |σ| over units, geometric mean over layers; μ, σ over the examples of the probe
    """

    change: HostArray

    @property
    def seeds(self) -> int:
        """S, the number of seeds."""
        return int(self.change.shape[1])

    def first(self, seeds: int) -> InputShift:
        """Return what the first seeds did."""
        return InputShift(self.change[:, :seeds])


@dataclass(frozen=True)
class FollowInputs(Experiment[InputShift]):
    """Train for STEPS steps, and after each send a fixed batch through the layers.

    rate_of: the setting whose pilot chose the learning rate
    """

    setting: Setting
    rate_of: Setting

    @property
    def name(self) -> str:
        return f"{self.setting.name}-inputs-at-the-rate-of-{self.rate_of.name}"

    def seconds(self, lab: Lab) -> float:
        return len(lab.seeds) * lab.pilot(self.setting).seconds(PROBE, 3 * STEPS)

    def run(self, lab: Lab) -> InputShift:
        trial = lab.trial(self.setting).with_lr(lab.pilot(self.rate_of).lr)
        session = trial.prepare(min(BATCH, len(trial.data)), list(lab.seeds)).session(last_batch="drop")
        x = np.asarray(trial.data.train.x[:PROBE], np.float32) * trial.data.scale
        before, changes = _moments(session.network, x), []
        for _ in range(STEPS):
            lab.check_time()
            session.step()
            after = _moments(session.network, x)
            changes.append(_change(before, after))
            before = after
        lab.on_cells(len(lab.seeds))
        return InputShift(np.array(changes))


Moments = list[tuple[HostArray, HostArray]]


def _moments(network: Network, x: HostArray) -> Moments:
    """Return mean and spread of every hidden layer's inputs over the probe, (S, units) each."""
    return [(h.mean(axis=-2), h.std(axis=-2)) for h in _inputs(network, x)][1:]  # the first layer sees the data


def _inputs(network: Network, x: HostArray) -> Iterator[HostArray]:
    """Yield the inputs of the dense layers in training mode, every batch normalised by itself.  x (B, …)"""
    host, h = network.ops.to_host, x.reshape(len(x), -1)

    def row(values: Array, of: HostArray) -> HostArray:
        return np.asarray(host(values).reshape(*of.shape[:-2], 1, -1))

    for layer in network.layers:
        if isinstance(layer, Linear):
            yield h
            h = h @ host(layer.W)
            h = h + row(layer.b, h) if layer.bias else h
        elif isinstance(layer, BatchNorm):
            spread = np.sqrt(h.var(axis=-2, keepdims=True) + layer.eps)
            h = (h - h.mean(axis=-2, keepdims=True)) / spread
            h = h * row(layer.gamma, h) + row(layer.beta, h) if layer.affine else h
        elif isinstance(layer, ReLU):
            h = np.maximum(h, 0.0)
        elif not isinstance(layer, Flatten):
            raise Unsuitable(f"the inputs of layers behind {type(layer).__name__} are not followed")


def _change(before: Moments, after: Moments) -> HostArray:
    """Return the change of mean and spread in units of the spread, geometric mean over layers.  (S,)"""
    if not before:
        raise Unsuitable("a model without hidden layers has no layer whose inputs could shift")
    logs = [
        np.log((np.square(m1 - m0) + np.square(s1 - s0)).sum(axis=-1) / np.square(s0).sum(axis=-1)) / 2
        for (m0, s0), (m1, s1) in zip(before, after, strict=True)
    ]
    return np.asarray(np.exp(np.mean(logs, axis=0)))
