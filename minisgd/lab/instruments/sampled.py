"""Any instrument along a training run: whatever can be measured of a network, every so many steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from time import perf_counter
from typing import Any

from minisgd.checks import positive
from minisgd.errors import DtypeError
from minisgd.nn import Network
from minisgd.tables import curves
from minisgd.training.callbacks import Callback
from minisgd.training.state import TrainingState


class Sampled(Callback):
    """Measure a copy of the network before the first step of a training run, and after every ``every``-th.

    ``steps`` and ``results`` hold the samples, which a notebook shows as a curve where they are numbers, ``seconds``
    what they took together. A sample costs what the instrument costs, and a copy of the P weights; the training run is
    not affected.

    >>> agreement = Sampled(lambda network: gsnr(network, data), every=100)
    >>> run = train(net, data, callbacks=[agreement])
    >>> [found.median for found in agreement.results]

    Args:
        measure: Called with the copy of the network.
        every: Steps from one sample to the next.

    Raises:
        DtypeError: ``measure`` cannot be called.
        ArgumentError: ``every`` is not a positive integer.
    """

    def __init__(self, measure: Callable[[Network], Any], every: int = 100) -> None:
        if not callable(measure):
            raise DtypeError(
                "measure", expected="a function of a network", got=measure, fix="lambda network: ms.gsnr(network, data)"
            )
        self.measure, self.every = measure, positive(every, "every")
        self.step_interval = self.every
        self.steps: list[int] = []
        self.results: list[Any] = []
        self.seconds = 0.0

    def on_start(self, training: TrainingState) -> None:
        self.steps, self.results, self.seconds = [], [], 0.0
        self._sample(training)

    def on_step(self, training: TrainingState) -> None:
        if training.session.steps % self.every == 0:
            self._sample(training)

    def _repr_html_(self) -> str:
        points = [(float(x), float(y)) for x, y in zip(self.steps, self.results, strict=True) if isinstance(y, Real)]
        return f"<p>{len(self.results)} samples</p>" + curves({"measured": points}, "step", "")

    def state(self) -> Mapping[str, Any]:
        """Return the samples; a training run is kept only if what was measured is numbers, text, or lists of them."""
        return {"steps": self.steps, "results": self.results, "seconds": self.seconds}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.steps, self.results, self.seconds = state["steps"], state["results"], state["seconds"]

    def _sample(self, training: TrainingState) -> None:
        begun = perf_counter()
        self.steps.append(training.session.steps)
        self.results.append(self.measure(training.network.copy()))
        self.seconds += perf_counter() - begun
