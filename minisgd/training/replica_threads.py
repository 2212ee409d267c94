"""A stack of replicas divided among threads: each thread trains a session of its own, on its share.

Replicas never meet, so this needs no locks and no sums: how many threads there are changes nothing but the time.
NumPy computes outside the interpreter's lock, so that two Python threads with one BLAS thread each finish sooner than
one Python thread with two BLAS threads, which wait for one another at every product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from minisgd.training.arithmetic import quiet_arithmetic
from minisgd.training.evaluation import Evaluator, Score
from minisgd.training.prepare import Prepared
from minisgd.training.session import Session
from minisgd.typing import HostArray


class ReplicaThreads:
    """R replicas that train side by side, in the order of their seeds.

    prepare: makes the training run of some of the seeds   seeds: R of them   lr_factors (R,): learning rates
    threads: at most so many sessions; each holds about R / threads replicas
    options: of every session, as ``Prepared.session`` takes them
    """

    def __init__(
        self,
        prepare: Callable[[Sequence[int]], Prepared],
        seeds: Sequence[int],
        lr_factors: Sequence[float],
        *,
        threads: int = 1,
        **options: Any,
    ) -> None:
        shares = np.array_split(np.arange(len(seeds)), min(threads, len(seeds)))
        self.sessions: list[Session] = []
        self.evaluators: list[Evaluator | None] = []
        for share in shares:
            prepared = prepare([seeds[r] for r in share])
            self.sessions.append(prepared.session(lr_factors=[lr_factors[r] for r in share], **options))
            self.evaluators.append(prepared.evaluator())
        self._pool = ThreadPoolExecutor(len(shares)) if len(shares) > 1 else None

    @property
    def steps(self) -> int:
        """Updates taken so far, by every replica."""
        return self.sessions[0].steps

    def advance(self, updates: int) -> None:
        """Take so many updates, as many at once as the device likes."""
        self._each(lambda session: session.take(updates), self.sessions)

    def take_train_loss(self) -> HostArray:
        """Return every replica's mean training loss since the last call, (R,), and start anew."""
        return np.concatenate([session.take_train_loss() for session in self.sessions])

    def score(self) -> Score:
        """Evaluate every replica on the validation split."""
        scores = self._each(_score, self.evaluators)
        accuracies = [score.accuracy for score in scores if score.accuracy is not None]
        return Score(
            np.concatenate([score.loss for score in scores]), np.concatenate(accuracies) if accuracies else None
        )

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these replicas, by ascending number; the others leave."""
        ends = np.cumsum([session.replicas for session in self.sessions])
        shares = np.split(np.asarray(rows), np.searchsorted(rows, ends[:-1]))
        starts = [0, *ends[:-1].tolist()]
        members = []
        for session, evaluator, start, share in zip(self.sessions, self.evaluators, starts, shares, strict=True):
            if len(share):
                if len(share) < session.replicas:
                    session.keep(share - start)
                    if evaluator is not None:
                        evaluator.forget_programs()
                members.append((session, evaluator))
        self.sessions = [session for session, _ in members]
        self.evaluators = [evaluator for _, evaluator in members]

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()

    def _each(self, task: Callable[[Any], Any], members: Sequence[Any]) -> list[Any]:
        """Do a task for every member, each in its own thread, and wait for all."""
        if self._pool is None or len(members) == 1:
            return [task(member) for member in members]

        def run(member: Any) -> Any:
            with quiet_arithmetic():  # NumPy's error state belongs to a thread
                return task(member)

        return list(self._pool.map(run, members))


def _score(evaluator: Evaluator | None) -> Score:
    assert evaluator is not None, "training runs without a validation split are not evaluated"
    return evaluator.score()
