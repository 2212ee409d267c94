"""The machine's own peak: the fastest large matrix product, measured in the same visits as training steps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from minisgd.backend.cpu.threads import choose_threads
from minisgd.lab.claims.experiment import Experiment
from minisgd.lab.claims.experiments.clocked import Clocked
from minisgd.lab.claims.lab import Lab
from minisgd.lab.timing.clock import StepTimes, Task, in_turn
from minisgd.typing import HostArray

WIDTH = 1024
"""Of the square matrices whose product is the peak: 2·1024³ FLOPs are far more than any overhead."""


@dataclass(frozen=True)
class Utilisation:
    """The share of the machine's peak FLOP/s that a training step achieves.

    batch_sizes (K,); share (V, K): FLOP/s of the step over those of the matrix product in the same visit
    peak (V,): FLOP/s of the matrix product
    """

    batch_sizes: tuple[int, ...]
    share: HostArray
    peak: HostArray


@dataclass(frozen=True)
class MeasureUtilisation(Experiment[Clocked[Utilisation]]):
    """Time updates of single networks and a large matrix product, in an order drawn anew every round."""

    alone: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return "sgd-utilisation"

    def seconds(self, lab: Lab) -> float:
        sizes = lab.held(lab.trial())
        return lab.visits * (3 * lab.visit_seconds * len(sizes) + 0.2)

    def run(self, lab: Lab) -> Clocked[Utilisation]:
        trial = lab.trial()
        sizes, prepare = lab.held(trial), trial.still(lab.seed)
        sessions = [prepare(b).session(last_batch="drop") for b in sizes]
        threads = [choose_threads(session.largest_product(), lab.threads) for session in sessions]
        tasks = [Task(s.step, s.ops, t) for s, t in zip(sessions, threads, strict=True)]
        ops = sessions[0].ops
        rng = np.random.default_rng([lab.seed, 0x9EA])
        a = ops.from_host(rng.normal(size=(WIDTH, WIDTH)).astype(trial.dtype))
        out = ops.zeros((WIDTH, WIDTH), trial.dtype)
        most = choose_threads(2 * WIDTH**3, lab.threads)
        tasks.append(Task(partial(ops.matmul, a, a, out=out), ops, most))
        taken = StepTimes.of(in_turn(tasks, Task.typical, rng, visits=lab.visits, seconds=lab.visit_seconds))
        flops = np.array([trial.flops(b) for b in sizes])
        return Clocked.of(partial(_utilisation, sizes, flops), taken, trial.device)


def _utilisation(sizes: tuple[int, ...], flops: HostArray, seconds: HostArray) -> Utilisation:
    """Return the shares of the peak.  flops (K,), seconds (V, K + 1), the last those of the matrix product"""
    peak = 2 * WIDTH**3 / seconds[:, -1]
    return Utilisation(sizes, flops / seconds[:, :-1] / peak[:, None], peak)
