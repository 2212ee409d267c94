"""minisgd on the GPU, as ``ms.train`` steps it; and what all rivals there share: made-up data."""

from __future__ import annotations

import numpy as np

import minisgd as ms
from benchmarks.cpu.rivals.minisgd_rival import _give, _Given, network
from benchmarks.cpu.rivals.rival import Rival
from benchmarks.gpu.tasks import GpuTask, made_up
from benchmarks.harness.workloads import weights
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.prepare import prepare


class OnGpu(Rival):
    """A rival on made-up data of any shape."""

    def __init__(self, task: GpuTask) -> None:
        self.task, self.workload, self.B = task, task.spec, task.batch_size
        self.gpu = task
        x, y = made_up(task)
        self.n = len(x)
        self.build(x, y, weights(self.workload))


class MinisgdGpu(OnGpu):
    """A session that runs updates ahead wherever nobody asks in between."""

    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        spec, lr = self.workload, self.workload.learning_rate(self.B)
        data = ms.Dataset.from_arrays(x, y, validation=None, classes=tuple("0123456789"), scale=1.0)
        stack = spec.kind == "stack"
        rate = 1.0 if stack else lr
        prepared = prepare(
            network(spec),
            data,
            ms.Adam(lr=rate) if spec.optimizer == "adam" else ms.SGD(lr=rate, momentum=spec.momentum),
            batch_size=self.B,
            seeds=range(spec.replicas) if stack else 0,
            device=self.gpu.device,
            precision=self.gpu.precision if self.gpu.device == "cuda" else "full",
        )
        _give(prepared.recipe.network, w)
        self.session = prepared.session(lr_factors=spec.learning_rates() if stack else None)

    def losses(self, orders: np.ndarray, steps: int) -> np.ndarray:
        session = self.session
        own, session.sampler = session.sampler, _Given(orders)
        found = []
        for _ in range(steps):
            self._advance(1)
            found.append(session.take_train_loss())
        session.sampler = own
        return np.array(found)

    def run(self, steps: int) -> int:
        session, before = self.session, self.session.examples
        with quiet_arithmetic():
            self._advance(steps)
        session.take_train_loss()
        return (session.examples - before) * session.replicas

    def _advance(self, steps: int) -> None:
        self.session.take(steps)
