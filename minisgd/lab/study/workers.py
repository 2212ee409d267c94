"""Where the stacks of a study are trained in this process: one after the other, or each by a thread.

A stack is trained alike wherever it is, so workers decide how long a study takes, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

from minisgd.lab.deadline import Deadline
from minisgd.lab.study.cell import Cell
from minisgd.lab.study.elsewhere import Task
from minisgd.lab.trial import Trial
from minisgd.training.arithmetic import quiet_arithmetic


class Workers:
    """This process, which trains one stack after the other."""

    several = False
    """Whether stacks are trained at once; if not, those of different seeds may as well be one."""

    def train(
        self, trial: Trial, tasks: Sequence[Task], keep: Callable[[list[Cell]], None], stop: Event
    ) -> list[list[Cell]]:
        """Train all stacks; return their training runs in the order of the tasks.

        keep: told of training runs as they are finished
        """
        return [task.train(trial, keep, stop) for task in tasks]

    @property
    def count(self) -> int:
        """How many there are, as far as is known."""
        return 1

    def call(self, what: str, stop: Deadline, function: Callable[..., Any], trial: Trial, *args: Any) -> Any:
        """Return function(trial, *args, stop), called by a worker beside what others do.

        what: that is, in words

        Raises:
            Stopped: It was asked to stop.
        """
        return function(trial, *args, stop)

    def alone(self, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """Call a function where stacks are trained, while none is; return its result by the kind of processor."""
        return {"": function(*args)}

    def close(self) -> None:
        """Remove what was written for the workers."""


class Threads(Workers):
    """Threads of this process, each of which trains a stack: no two wait for one another before both are done.

    Work in small pieces they would hold up: the interpreter's lock is passed on between any two calls.
    """

    several = True

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads)

    def train(
        self, trial: Trial, tasks: Sequence[Task], keep: Callable[[list[Cell]], None], stop: Event
    ) -> list[list[Cell]]:
        def train(task: Task) -> list[Cell]:
            with quiet_arithmetic():  # NumPy's error state belongs to a thread
                return task.train(trial, keep, stop)

        futures = [self._pool.submit(train, task) for task in tasks]
        try:
            return [future.result() for future in futures]
        except BaseException:
            stop.set()  # the others end at their next evaluation
            raise

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
