"""The queue before an executor, and the processes of this machine."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from threading import Event

import pytest

from minisgd.lab.study.executors import Abandoned, LargestFirst


def test_what_waits_goes_largest_first_to_as_many_workers_as_there_are():
    order, begun, go = [], Event(), Event()

    def work(size):
        order.append(size)
        begun.set()
        assert go.wait(60)

    with ThreadPoolExecutor(4) as executor, closing(LargestFirst(executor, 1)) as queue:
        futures = [queue.submit(16, work, 16)]
        assert begun.wait(60)
        futures += [queue.submit(size, work, size) for size in (8, 512, 32, 512)]
        futures[1].cancel()
        go.set()
        for future in futures[2:]:
            future.result(60)
    assert order == [16, 512, 512, 32]


def test_what_goes_wrong_is_heard_of():
    class Closed:
        def submit(self, function):
            raise RuntimeError("closed")

    with closing(LargestFirst(Closed(), 2)) as queue, pytest.raises(RuntimeError, match="closed"):
        queue.submit(1, print).result(60)


def test_nobody_waits_for_a_worker_after_the_end():
    class Never:
        def submit(self, function):
            return Future()

    queue = LargestFirst(Never(), 1)
    future = queue.submit(1, print)
    queue.close()
    with pytest.raises(Abandoned):
        future.result(60)
