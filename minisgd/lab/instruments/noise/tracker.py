"""``ms.NoiseTracker``: the gradient noise of a training run, while it trains."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

from minisgd.errors import ArgumentError
from minisgd.lab.instruments.noise.moments import NoiseAverage, NoiseEstimate, from_two_batch_sizes
from minisgd.nn import Sequential
from minisgd.optim.checks import count
from minisgd.tables import curves
from minisgd.training import Callback
from minisgd.training.example_pass import ExamplePass, SquaredNorms
from minisgd.training.feeds.feed import HostData
from minisgd.training.state import TrainingState
from minisgd.typing import Array, HostArray


class NoiseTracker(Callback):
    """Sample |G|², tr Σ and B_simple every so many updates; the training run is the same to the last bit.

    Two batch sizes are compared: 1, by the per-example norms of a few of the batch's examples, and B, by the gradient
    that the training run has computed anyway. Where that gradient is not the mean of the examples' own, because of
    BatchNorm or Dropout, the mean of those few in evaluation takes its place, and their number that of B.

    Cost of a sample: one forward and backward pass over ``examples``, so about examples/B steps, and on small networks
    no less than two thirds of one. (An mlp:128 on 64 features at B = 32 takes 4 to 5% longer with it, at every = 20.) A
    batch of one example is not sampled.

    ``steps`` are the updates done before each sample, ``once`` the estimates of each sample alone, ``averages`` those
    of the bias-corrected averages of |G|² and tr Σ, and ``mean`` the latest of them.

    Args:
        every: Updates between samples.
        examples: Examples of each sample, at least 2.
        decay: β of the moving averages.

    Raises:
        ArgumentError: An argument is out of range.
    """

    def __init__(self, every: int = 20, *, examples: int = 8, decay: float = 0.95) -> None:
        self.every = count("every", every, "use 20, for example")
        self.examples = count("examples", examples, "use 8, for example")
        if self.examples < 2:
            raise ArgumentError("examples", expected="at least 2", got=examples, fix="use 8, for example")
        self.decay = NoiseAverage(decay).decay
        self._raw: list[tuple[int, int, float, float]] = []

    # ------------------------------------------------ what was found

    @property
    def steps(self) -> list[int]:
        """Updates done before each of the K samples."""
        return [step for step, *_ in self._raw]

    @property
    def once(self) -> list[NoiseEstimate]:
        """What each sample alone says."""
        return [from_two_batch_sizes(small_sq, large_sq, 1, large) for _, large, small_sq, large_sq in self._raw]

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

    def on_start(self, training: TrainingState) -> None:
        session = training.session
        recipe, net = session.recipe, session.network
        self._raw = []
        self._norms = SquaredNorms()
        data = HostData.of(training.data.train, net.dtype)
        own_mean = any(layer.frozen() is not layer for layer in net.walk() if not isinstance(layer, Sequential))
        self._sum = net.ops.zeros((net.n_parameters,), net.dtype) if own_mean else None
        self._pass = ExamplePass(
            net, recipe.loss, data, recipe.feed, [self._norms], gradient=self._sum, chunk=self.examples
        )
        self._pass.record(self._pass.chunk)
        self._square = net.ops.zeros((), net.dtype)

    def on_gradient(self, training: TrainingState, index: HostArray, gradient: Array) -> None:
        session = training.session
        if session.steps % self.every:
            return
        b = index.shape[-1]
        if b < 2:
            return
        ops, n = session.ops, min(b, self.examples)
        self._pass.over(index[:, :n], n)
        small_sq = float(ops.to_host(self._norms.rows[n]).sum()) / n
        large, total = (b, gradient) if self._sum is None else (n, self._sum)
        ops.dot(total, total, out=self._square)
        large_sq = float(ops.to_host(self._square)) / (1 if self._sum is None else n**2)
        self._raw.append((session.steps, large, small_sq, large_sq))

    def state(self) -> Mapping[str, Any]:
        return {"raw": self._raw}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._raw = [tuple(row) for row in state["raw"]]
