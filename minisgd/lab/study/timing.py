"""Step time, measured apart: single networks, batch sizes interleaved, nothing else running."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from time import perf_counter

from minisgd.backend.threads import blas_threads, choose_threads
from minisgd.lab.study.stack import Trial
from minisgd.training.session import quiet_arithmetic

ROUNDS = 7
"""Visits to each batch size; the median of them counts, which a busy neighbour moves least."""

SECONDS = 0.02
"""About how long a visit lasts, at least one step."""


def time_steps(trial: Trial, batch_sizes: Sequence[int], threads: int | None, seed: int = 0) -> list[float]:
    """Return seconds per update at each batch size: gathering, gradient and update, without evaluation.

    A tiny learning rate keeps the network where it is, so that no run diverges while it is timed.
    """
    sessions, workers = [], []
    for b in batch_sizes:
        session = trial.with_lr(1e-12).prepare(b, seed).session(last_batch="drop")
        sessions.append(session)
        workers.append(choose_threads(session.largest_product(), threads))
    seconds: list[list[float]] = [[] for _ in batch_sizes]
    steps = [1] * len(batch_sizes)
    for visit in range(ROUNDS + 1):
        for k, session in enumerate(sessions):
            with blas_threads(workers[k]), quiet_arithmetic():
                session.step()  # brings its arrays back into the cache
                begun = perf_counter()
                for _ in range(steps[k]):
                    session.step()
                each = (perf_counter() - begun) / steps[k]
            if visit == 0:
                steps[k] = max(1, round(SECONDS / each))
            else:
                seconds[k].append(each)
    return [median(times) for times in seconds]
