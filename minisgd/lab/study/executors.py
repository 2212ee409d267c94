"""Executors: processes of this machine, and a queue before any executor from which the largest work goes first."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from queue import PriorityQueue
from threading import Event
from typing import Any

from minisgd.errors import missing_extra

RESPONSE = 0.2
"""Seconds after which whoever waits for workers notices that it is to stop."""


class LargestFirst:
    """Hands an executor as many calls at a time as it has workers, of those that wait the largest first."""

    def __init__(self, executor: Any, workers: int) -> None:
        self._executor = executor
        self._threads = ThreadPoolExecutor(workers)  # one hands a worker its calls
        self._waiting: PriorityQueue[tuple[int, int, tuple[Future[Any], Callable[..., Any], Any]]] = PriorityQueue()
        self._number, self._closed = count(), Event()

    def submit(self, size: int, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Return the future of a call, which can be cancelled as long as it waits."""
        future: Future[Any] = Future()
        self._waiting.put((-size, next(self._number), (future, function, args)))
        self._threads.submit(self._hand_over)
        return future

    def close(self) -> None:
        """Wait for nobody any more."""
        self._closed.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _hand_over(self) -> None:
        *_, (future, function, args) = self._waiting.get()
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(awaited(self._executor.submit(function, *args), self._closed.is_set))
            except BaseException as error:  # whatever it is, whoever waits for the call hears of it
                future.set_exception(error)


class Abandoned(Exception):
    """Nobody waits for a call any more."""


def awaited(future: Any, is_abandoned: Callable[..., bool]) -> Any:
    """Return the result of a future; cancel it when nobody waits for it any more.

    Raises:
        Abandoned: That is so.
    """
    ended = Event()
    future.add_done_callback(lambda _: ended.set())
    while not ended.wait(RESPONSE):
        if is_abandoned():
            give_up(future)
            raise Abandoned
    return future.result()


class Processes:
    """An executor of so many processes on this machine, which replaces those that were killed."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        with missing_extra("joblib", expected="installed", got="none", fix="pip install 'minisgd[sweep]'"):
            import joblib.externals.loky  # noqa: F401

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return the future of a call."""
        return self._executor().submit(function, *args)

    def shutdown(self) -> None:
        """End the processes, whatever they do."""
        self._executor().shutdown(wait=True, kill_workers=True)

    def _executor(self) -> Any:
        from joblib.externals.loky import get_reusable_executor

        return get_reusable_executor(max_workers=self.workers, timeout=None)


def give_up(future: Any) -> None:
    """Cancel a future, if whoever would be told of it is still there."""
    with suppress(Exception):
        future.cancel()
