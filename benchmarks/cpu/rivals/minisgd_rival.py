"""minisgd: the session that ``ms.train`` steps, for W5 one in each thread, the recorded forward pass for W6."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np

import minisgd as ms
from benchmarks.cpu.rivals.rival import Rival, cross_entropy
from benchmarks.harness.workloads import Workload
from minisgd.backend import Program
from minisgd.backend.cpu.threads import blas_threads, choose_threads
from minisgd.data.sampling import Sequential
from minisgd.nn.inference import Inference
from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.cost import PRODUCTS
from minisgd.training.prepare import Prepared, prepare
from minisgd.training.replica_threads import ReplicaThreads


def network(workload: Workload) -> ms.Network:
    """Return the workload's network, with layers in the order of its weights."""
    layers: list[ms.Layer] = []
    for k, channels in enumerate(workload.channels):
        # no bias: the normalisation that follows would take it away again
        layers.append(ms.Conv2d(channels, 3, padding="same", bias=False, name=f"conv{k}"))
        layers += [ms.BatchNorm(name=f"norm{k}"), ms.ReLU(), ms.MaxPool2d(2)]
    if workload.channels:
        layers.append(ms.Flatten())
    if workload.block or workload.bag:
        (t,), (known, d) = workload.input_shape, workload.bag or (1, workload.block[0])
        if workload.block:
            layers += [ms.Reshape(t, 1), ms.Linear(d), ms.PositionalEmbedding(), ms.TransformerBlock(*workload.block)]
        else:
            layers.append(ms.Embedding(known, d))
        layers += [ms.Reshape(1, t, d), ms.GlobalAvgPool2d()]  # the mean over the positions
    for k, width in enumerate(workload.widths):
        layers += [ms.Linear(width, name=f"dense{k}"), ms.ReLU()]
    return ms.Network(*layers[:-1])


class Minisgd(Rival):
    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        task, lr = self.workload, self.workload.learning_rate(self.B)
        self.x, self.y = x, y
        self.contexts = ExitStack()
        self.contexts.enter_context(quiet_arithmetic())
        dataset = ms.Dataset.from_arrays(x, y, validation=None, classes=tuple(map(str, range(10))), scale=1.0)
        if task.reconstructs:
            dataset = dataset.reconstructing()
        optimizer = ms.Adam(lr=lr) if task.optimizer == "adam" else ms.SGD(lr=lr, momentum=task.momentum)
        if task.kind == "stack":
            optimizer = ms.SGD(lr=1.0, momentum=task.momentum)

        def prepared(seeds: int | Sequence[int]) -> Prepared:
            return prepare(network(task), dataset, optimizer, batch_size=min(self.B, self.n), seeds=seeds)

        if task.kind == "stack":
            self.replica_threads = ReplicaThreads(
                prepared, range(task.replicas), task.learning_rates(), threads=self.task.cores
            )
            self.sessions = self.replica_threads.sessions
            for session, share in zip(self.sessions, self._shares(np.arange(task.replicas)), strict=True):
                _give(session.network, {name: values[share] for name, values in w.items()})
            self.contexts.enter_context(blas_threads(1))
            return
        one = prepared(0)
        _give(one.recipe.network, w)
        if task.kind == "predict":
            self.inference = Inference(one.recipe.network, self.B)
            self.contexts.enter_context(blas_threads(1 if self.task.cores == 1 else self.task.cores))
            return
        self.sessions = [one.session()]
        threads = None if self.task.cores > 1 else 1
        self.contexts.enter_context(blas_threads(choose_threads(self.sessions[0].largest_product(), threads)))

    def _shares(self, rows: np.ndarray) -> list[np.ndarray]:
        """Cut rows (R, …) into those of each session."""
        return np.split(rows, np.cumsum([session.replicas for session in self.sessions])[:-1])

    def losses(self, orders: np.ndarray, steps: int) -> np.ndarray:
        if self.workload.kind == "predict":
            rows = orders[0, : steps * self.B]
            logits = self.inference.predict(self.x[rows])
            cut = range(0, len(rows), self.B)
            return np.array([[cross_entropy(logits[a : a + self.B], self.y[rows[a : a + self.B]])] for a in cut])
        own = [session.sampler for session in self.sessions]
        for session, share in zip(self.sessions, self._shares(orders), strict=True):
            session.sampler = _Given(share)
        found = []
        for _ in range(steps):
            self._advance(1)
            found.append(np.concatenate([session.take_train_loss() for session in self.sessions]))
        for session, sampler in zip(self.sessions, own, strict=True):
            session.sampler = sampler
        return np.array(found)

    def run(self, steps: int) -> int:
        if self.workload.kind == "predict":
            rows = min(steps * self.B, self.n)
            return len(self.inference.predict(self.x[:rows]))
        before = self._examples()
        self._advance(steps)
        for session in self.sessions:
            session.take_train_loss()
        return self._examples() - before

    def _advance(self, steps: int) -> None:
        if self.workload.kind == "stack":
            self.replica_threads.advance(steps)
        else:
            (session,) = self.sessions
            session.take(steps)

    def _examples(self) -> int:
        return sum(session.examples * session.replicas for session in self.sessions)


class Products(Minisgd):
    """The matrix products of minisgd's step, and nothing else: a step cannot take less with this BLAS."""

    def tune(self) -> None:
        if self.workload.kind == "predict":
            recorded = [self.inference._program(self.B)[0]]
        else:
            recorded = [session._gradient(self.B)[1] for session in self.sessions]
        self.programs = [_products(program) for program in recorded]
        self.pool = ThreadPoolExecutor(len(self.programs))

    def run(self, steps: int) -> int:
        list(self.pool.map(lambda program: program.replay(steps), self.programs))
        return steps * self.B * self.workload.replicas


def _products(recorded: Program) -> Program:
    program = type(recorded)()
    for call in recorded:
        if call.op in PRODUCTS:
            program.append(call)
    return program


def _give(net: ms.Network, w: dict[str, np.ndarray]) -> None:
    for view, values in zip(net.parameters().values(), w.values(), strict=True):
        net.ops.upload(values, out=view)


class _Given(Sequential):
    """Hands out the examples that orders (R, n) names, instead of shuffling."""

    def __init__(self, orders: np.ndarray) -> None:
        super().__init__(orders.shape[1], range(len(orders)))
        self.orders = orders

    def next(self, batch_size: int) -> np.ndarray:
        return np.take_along_axis(self.orders, super().next(batch_size), 1)
