"""The workers of an executor: other processes, or those of a cluster."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from threading import Event, Lock
from typing import Any

from minisgd.backend.cpu.threads import available_cores
from minisgd.errors import ArgumentError, MinisgdError
from minisgd.lab import words
from minisgd.lab.deadline import Deadline
from minisgd.lab.environment import processor_kind
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.elsewhere import Task, train_elsewhere
from minisgd.lab.study.executors import RESPONSE, LargestFirst, awaited, give_up
from minisgd.lab.study.stack import Stopped
from minisgd.lab.study.workers import Workers
from minisgd.lab.trial import Trial

TRIES = 3
"""How often a stack is given to workers that fail before it is trained in this process."""

PATIENCE = 5.0
"""Seconds between questions whether a cluster has workers."""


class ExecutorWorkers(Workers):
    """The workers of an executor as in ``concurrent.futures``: it has ``submit``, which gives futures.

    note: told what goes wrong. A stack whose worker is gone, or out of memory, is given to another, and in the end
    trained here; so a study goes on for as long as this process does.
    """

    several = True

    def __init__(self, executor: Any, note: Callable[[str], None]) -> None:
        self.executor, self.note = executor, note
        self._queue = LargestFirst(executor, self.count)
        self._sent: dict[int, Any] = {}
        self._folders: list[TemporaryDirectory[str]] = []
        self._lock = Lock()

    def train(
        self, trial: Trial, tasks: Sequence[Task], keep: Callable[[list[Cell]], None], stop: Event
    ) -> list[list[Cell]]:
        results: dict[int, list[Cell]] = {}
        failures = [0] * len(tasks)
        ended: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        futures: dict[int, Any] = {}

        def submit(k: int) -> None:
            deadline = time.time() + tasks[k].budget.deadline - time.perf_counter()  # which differs between machines
            try:
                given = self._send(trial) if not failures[k] else trial
                futures[k] = self._submit(train_elsewhere, given, tasks[k], deadline, size=tasks[k].batch_size)
            except Exception as error:
                fail(k, error)
            else:
                futures[k].add_done_callback(lambda future: ended.put((k, future)))

        def fail(k: int, error: Exception) -> None:
            futures.pop(k, None)
            if stop.is_set():
                raise Stopped from error
            if _is_everywhere(error):
                raise error
            failures[k] += 1
            runs = words.plural(len(tasks[k].cells), "training run")
            be = "is" if len(tasks[k].cells) == 1 else "are"
            again = "given to another" if failures[k] < TRIES else "trained in this process"
            self.note(f"a worker failed at batch size {tasks[k].batch_size} ({_reason(error)}): {runs} {be} {again}")
            if failures[k] < TRIES:
                submit(k)
            else:
                results[k] = tasks[k].train(trial, keep, stop)

        try:
            for k in range(len(tasks)):
                submit(k)
            while futures:
                if stop.is_set():
                    raise Stopped
                try:
                    k, future = ended.get(timeout=RESPONSE)
                except Empty:
                    for k in [] if self._there() else list(futures):
                        give_up(futures[k])
                        fail(k, OSError("the cluster has no workers"))
                    continue
                if k not in futures or futures[k] is not future:
                    continue  # it was given up, and to another
                try:
                    finished, results[k] = future.result()
                except Exception as error:
                    fail(k, error)
                else:
                    del futures[k]
                    keep(finished)
        finally:
            for future in futures.values():
                give_up(future)
        return [results[k] for k in range(len(tasks))]

    @property
    def count(self) -> int:
        known = (getattr(self.executor, name, None) for name in ("workers", "_max_workers"))
        return next((n for n in known if isinstance(n, int)), available_cores())

    def call(self, what: str, stop: Deadline, function: Callable[..., Any], trial: Trial, *args: Any) -> Any:
        for failures in range(1, TRIES + 1):
            try:
                given = self._send(trial) if failures == 1 else trial
                future = self._submit(function, given, *args, stop)
                return awaited(future, lambda: stop.asked or not self._there())
            except Exception as error:
                if stop.asked:
                    raise Stopped from error
                if isinstance(error, Stopped) or _is_everywhere(error):
                    raise
                again = "given to another" if failures < TRIES else "made in this process"
                self.note(f"a worker failed at {what} ({_reason(error)}): it is {again}")
        return function(trial, *args, stop)

    def _there(self) -> bool:
        """Tell whether there are workers at all, as far as anybody knows."""
        return True

    def alone(self, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        try:
            return {"": self._submit(function, *args).result()}
        except Exception as error:
            if isinstance(error, MinisgdError):
                raise
            self.note(f"a worker failed ({type(error).__name__}): timed in this process")
            return {"": function(*args)}

    def close(self) -> None:
        self._queue.close()
        self._sent.clear()
        while self._folders:
            self._folders.pop().cleanup()

    def _submit(self, function: Callable[..., Any], *args: Any, size: int = 0) -> Any:
        return self._queue.submit(size, function, *args)

    def _send(self, trial: Trial) -> Any:
        """Return the trial as it is given to workers: the same for every stack, so that its data travel once."""
        with self._lock:
            if id(trial) not in self._sent:
                self._sent[id(trial)] = self._packed(trial)
            return self._sent[id(trial)]

    def _packed(self, trial: Trial) -> Any:
        """Write the data to a file, which every worker maps into its memory."""
        if isinstance(self.executor, ThreadPoolExecutor):
            return trial
        try:
            import joblib
        except ImportError:
            return trial
        self._folders.append(TemporaryDirectory(prefix="minisgd-"))
        path: Any = str(Path(self._folders[-1].name) / "data.joblib")
        joblib.dump(trial.data, path)
        return replace(trial, data=path)


class DaskWorkers(ExecutorWorkers):
    """The workers of a ``dask.distributed.Client``: data are scattered to each once; the scheduler has the queue.

    The scheduler keeps a stack until there is a worker again, if ever: it is asked now and then who is there.
    """

    _asked = -math.inf

    @property
    def count(self) -> int:
        return max(1, sum(map(int, self.executor.nthreads().values())))

    def _there(self) -> bool:
        with self._lock:
            if time.monotonic() < self._asked + PATIENCE:
                return True
            self._asked = time.monotonic()
        try:
            return bool(self.executor.nthreads())
        except Exception:  # there is no scheduler, or none yet
            return False

    def alone(self, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """Call a function on one worker of each kind, that of most workers first, while nothing else is done."""
        kinds: dict[str, list[str]] = {}
        try:
            known = self.executor.run(processor_kind)
        except Exception:  # there is no cluster any more
            known = {}
        for address, kind in known.items():
            kinds.setdefault(kind, []).append(address)
        found = {}
        for kind, addresses in sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0])):
            try:
                future = self.executor.submit(function, *args, pure=False, workers=addresses[:1])
                found[kind] = awaited(future, lambda here=addresses[0]: here not in self.executor.nthreads())
            except Exception as error:
                if isinstance(error, MinisgdError):
                    raise
                self.note(f"a worker failed ({type(error).__name__}): {kind} is not timed")
        if not found:
            self.note("no worker is there: timed in this process")
        return found or {"": function(*args)}

    def _submit(self, function: Callable[..., Any], *args: Any, size: int = 0) -> Any:
        return self.executor.submit(function, *args, pure=False, priority=size)

    def _packed(self, trial: Trial) -> Any:
        return self.executor.scatter(trial, broadcast=True, hash=False)


def _is_everywhere(error: Exception) -> bool:
    """Tell whether another worker would fail in the same way: our own errors, unless it has more memory."""
    return isinstance(error, MinisgdError) and not isinstance(error, MemoryError)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]


def workers_of(executor: Any, note: Callable[[str], None]) -> Workers:
    """Return the workers of an executor, or this process where there is none.

    Raises:
        ArgumentError: For what is no executor.
    """
    if executor is None:
        return Workers()
    if not callable(getattr(executor, "submit", None)):
        raise ArgumentError(
            "executor",
            expected="an executor as in concurrent.futures, or a dask.distributed.Client",
            got=executor,
            fix="for example joblib.externals.loky.get_reusable_executor(max_workers=4)",
        )
    return (DaskWorkers if hasattr(executor, "scatter") else ExecutorWorkers)(executor, note)
