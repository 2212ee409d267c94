"""What a training run will take, from a few of its steps; and whether this machine has the memory for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from time import perf_counter
from typing import TYPE_CHECKING, Any

from minisgd.errors import MemoryLimitError

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


def require_memory(needed: int) -> None:
    """Refuse work that needs more memory than there is.

    Raises:
        MemoryLimitError: If ``needed`` bytes are more than are available.
    """
    from minisgd.backend.cpu.host_memory import available_memory
    from minisgd.training.memory import format_bytes

    available, source = available_memory()
    if needed > available:
        raise MemoryLimitError(
            "memory of a step",
            expected=f"at most the {format_bytes(available)} that are available ({source})",
            got=format_bytes(needed),
            fix="use a smaller model or batch, or --memory-limit 1GiB for micro-batches",
        )
