"""``ms.NoiseTracker``: the gradient noise of a training run, while it trains."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

import numpy as np

from minisgd.errors import ArgumentError
from minisgd.lab.instruments.noise.moments import NoiseAverage, NoiseEstimate, from_two_batch_sizes
from minisgd.nn import BatchNorm, Layer, LayerNorm, RMSNorm, Sequential
from minisgd.nn.layers.frozen import FrozenBatchNorm
from minisgd.optim.checks import count
from minisgd.tables import curves
from minisgd.training import Callback
from minisgd.training.example_pass import ExamplePass, SquaredNorms
from minisgd.training.feeds.feed import HostData
from minisgd.training.state import TrainingState
from minisgd.typing import Array, HostArray

NORMALISATIONS = (BatchNorm, FrozenBatchNorm, LayerNorm, RMSNorm)


class NoiseTracker(Callback):
    """Sample |G|², tr Σ and B_simple every so many updates; the training run is the same to the last bit.

    Two batch sizes are compared: 1, by the per-example norms of a few of the batch's examples, and B, by the gradient
    that the training run has computed anyway. Where that gradient is not the mean of the examples' own, because of
    BatchNorm, Dropout or a transform, the mean of those few in evaluation, not transformed, takes its place, and their
    number that of B.

    Cost of a sample: one forward and backward pass over ``examples``, so about examples/B steps, and on small networks
    no less than two thirds of one. (An mlp:128 on 64 features at B = 32 takes 4 to 5% longer with it, at every = 20.) A
    batch of one example is not sampled.

    ``steps`` are the updates done before each sample, ``once`` the estimates of each sample alone, ``averages`` those
    of the bias-corrected averages of |G|² and tr Σ, ``mean`` the latest of them, and ``by_layer`` those of each layer.

    Args:
        every: Updates between samples.
        examples: Examples of each sample, at least 2.
        decay: β of the moving averages.

    Raises:
        ArgumentError: An argument is out of range.
    """

    def __init__(self, every: int = 20, *, examples: int = 8, decay: float = 0.95) -> None:
        self.every = self.step_interval = count("every", every, "use 20, for example")
        self.examples = count("examples", examples, "use 8, for example")
        if self.examples < 2:
            raise ArgumentError("examples", expected="at least 2", got=examples, fix="use 8, for example")
        self.decay = NoiseAverage(decay).decay
        self.layers: tuple[str, ...] = ()
        self._raw: list[tuple[int, int, list[float], list[float]]] = []

    # ------------------------------------------------ what was found

    @property
    def steps(self) -> list[int]:
        """Updates done before each of the K samples."""
        return [step for step, *_ in self._raw]

    @property
    def once(self) -> list[NoiseEstimate]:
        """What each sample alone says."""
        return [from_two_batch_sizes(sum(small), sum(large), 1, b) for _, b, small, large in self._raw]

    @property
    def by_layer(self) -> dict[str, NoiseEstimate]:
        """The averages up to the last sample of the gradients of every layer alone, by its path in the network."""
        averages = {layer: NoiseAverage(self.decay) for layer in self.layers}
        found = dict.fromkeys(self.layers, NoiseEstimate(nan, nan))
        for _, b, *sums in self._raw:
            for layer, small, large in zip(self.layers, *sums, strict=True):
                found[layer] = averages[layer].add(from_two_batch_sizes(small, large, 1, b))
        return found

    @property
    def averages(self) -> list[NoiseEstimate]:
        """The averages up to each sample; their ``b_simple`` is NaN where |G|² is not resolved."""
        average = NoiseAverage(self.decay)
        return [average.add(estimate) for estimate in self.once]

    @property
    def mean(self) -> NoiseEstimate:
        """The averages up to the last sample, NaN before the first."""
        return self.averages[-1] if self._raw else NoiseEstimate(nan, nan)

    def _repr_html_(self) -> str:
        points = [(float(step), each.b_simple) for step, each in zip(self.steps, self.averages, strict=True)]
        return f"<p>{len(points)} samples</p>" + curves({"B_simple, averaged": points}, "step", "")

    # ------------------------------------------------ during the training run

    def reads(self, layer: Layer) -> bool:
        """Tell whether the gradients of a layer count: here, of all.

        Args:
            layer: A layer of the network.
        """
        return True

    def on_start(self, training: TrainingState) -> None:
        session = training.session
        recipe, net = session.recipe, session.network
        self._raw = []
        self._norms = SquaredNorms()
        data = HostData.of(training.data.train, net.dtype)
        coupled = any(layer.frozen() is not layer for layer in net.walk() if not isinstance(layer, Sequential))
        own_mean = coupled or bool(recipe.transforms)
        self._sum = net.ops.zeros((net.n_parameters,), net.dtype) if own_mean else None
        self._pass = ExamplePass(
            net, recipe.loss, data, recipe.feed, [self._norms], gradient=self._sum, chunk=self.examples, only=self.reads
        )
        self._pass.record(self._pass.chunk)
        assert net.input_shape is not None
        read = [
            leaf.path for leaf in net.describe(net.input_shape) if leaf.declaration.parameters if self.reads(leaf.layer)
        ]
        named = [(k, segment, segment.name.rpartition(".")[0]) for k, segment in enumerate(net.layout)]
        self.layers = tuple(read)
        self._rows = [[k for k, _, path in named if path == layer] for layer in read]
        self._spans = [
            (
                min(s.offset for _, s, path in named if path == layer),
                max(s.stop for _, s, path in named if path == layer),
            )
            for layer in read
        ]
        self._squares = net.ops.zeros((len(read),), net.dtype)

    def on_gradient(self, training: TrainingState, index: HostArray, gradient: Array) -> None:
        session = training.session
        if session.steps % self.every:
            return
        b = index.shape[-1]
        if b < 2:
            return
        ops, n = session.ops, min(b, self.examples)
        self._pass.over(index[:, :n], n)
        of_tensors = ops.to_host(self._norms.rows[n]).sum(axis=1, dtype=np.float64) / n  # (S,)
        large, total = (b, gradient) if self._sum is None else (n, self._sum)
        for k, (start, stop) in enumerate(self._spans):
            ops.dot(total[start:stop], total[start:stop], out=self._squares[k, ...])
        squares = ops.to_host(self._squares).astype(np.float64) / (1 if self._sum is None else n**2)
        self._raw.append(
            (session.steps, large, [float(of_tensors[rows].sum()) for rows in self._rows], squares.tolist())
        )

    def state(self) -> Mapping[str, Any]:
        return {"raw": self._raw}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._raw = [tuple(row) for row in state["raw"]]


class NormalisationNoise(NoiseTracker):
    """Sample the gradient noise of the normalisation layers alone, layer by layer, for a hundredth of the time.

    The gradients of their scales and shifts are small vectors, so the norms that every example contributes cost next to
    nothing in a backward pass, whatever the other layers are; and their noise scale follows that of the whole network
    (Gray et al. 2024, arXiv 2411.00999). Trained on digits, an MLP with two of them has noise scales whose logarithms
    correlate with those of ``NoiseTracker`` at 0.93 to 0.99 along 600 updates (layer and batch normalisation, three
    seeds each), and which are 0.46 to 0.70 of them: follow the trend, not the level.

    A sample is a forward and backward pass over ``examples``, without gradients of weights. On one core, an MLP of two
    layers of 128 takes about as long for it as for two updates at B = 32; so it is about 1% of the time, by the
    defaults. The estimates are read as those of ``NoiseTracker``, ``by_layer`` for each layer.

    Args:
        every: Updates between samples.
        examples: Examples of each sample, at least 2.
        decay: β of the moving averages.

    Raises:
        ArgumentError: An argument is out of range; before the first step, for a network without such a layer.
    """

    def __init__(self, every: int = 200, *, examples: int = 8, decay: float = 0.95) -> None:
        super().__init__(every, examples=examples, decay=decay)

    def reads(self, layer: Layer) -> bool:
        return isinstance(layer, NORMALISATIONS)

    def on_start(self, training: TrainingState) -> None:
        super().on_start(training)
        if not self.layers:
            fix = "use ms.NoiseTracker, which reads all layers"
            raise ArgumentError("network", expected="one with a normalisation layer", got="none", fix=fix)
