"""What a training run will take, from a few of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minisgd.data import Dataset
    from minisgd.nn import Network

TRIAL_SECONDS = 0.2
"""How long steps are tried for the estimate of time."""


@dataclass(frozen=True)
class Estimate:
    """What a training run will take.

    seconds: NaN where other ranks would have to take steps too
    """

    parameters: int
    seconds: float
    bytes: int
    micro_batch: int


def try_steps(network: Network, data: Dataset, settings: Mapping[str, Any]) -> Estimate:
    """Estimate a training run from a few of its steps, which are thrown away."""
    from minisgd.backend.cpu.threads import blas_threads, choose_threads
    from minisgd.training.arithmetic import quiet_arithmetic
    from minisgd.training.prepare import prepare

    wanted = ("loss", "batch_size", "clip_norm", "micro_batch", "memory_limit", "dtype", "device", "precision")
    given = {name: settings[name] for name in (*wanted, "communicator")}
    prepared = prepare(network, data, settings["optimizer"], seeds=settings["seed"], **given)
    session = prepared.session(**{name: settings[name] for name in ("sampling", "last_batch", "epochs", "steps")})
    evaluator = prepared.evaluator()
    taken: list[float] = [] if settings["communicator"] is None else [nan, nan]
    with blas_threads(choose_threads(session.largest_product(), settings["threads"])), quiet_arithmetic():
        begun = perf_counter()
        while settings["communicator"] is None and (len(taken) < 2 or perf_counter() - begun < TRIAL_SECONDS):
            start, before = perf_counter(), session.steps
            session.advance(lambda: False)
            session.ops.synchronize()
            taken.append((perf_counter() - start) / (session.steps - before))
    steps = settings["steps"] or settings["epochs"] * len(data) / session.size
    return Estimate(
        parameters=session.network.n_parameters,
        seconds=steps * sorted(taken)[len(taken) // 2],
        bytes=session.plan.bytes() + (evaluator.plan.bytes() if evaluator else 0),
        micro_batch=session.recipe.micro_batch,
    )
