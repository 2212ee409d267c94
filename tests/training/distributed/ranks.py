"""Ranks that are threads of this process: the double of MPI and NCCL, and a way to run each as a rank."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np

from minisgd.training.distributed import Communicator


class Meeting:
    """Where threads leave what they say, and wait for the others."""

    def __init__(self, size: int) -> None:
        self.barrier, self.said = Barrier(size, timeout=60), [None] * size


class ThreadRanks(Communicator):
    def __init__(self, rank: int, meeting: Meeting, shards: int | None = None, device: str = "cpu") -> None:
        super().__init__(rank, len(meeting.said), shards)
        self.meeting, self.device, self.messages = meeting, device, 0

    def exchange(self, said: Any) -> list[Any]:
        self.messages += 1
        self.meeting.said[self.rank] = said.copy()
        self.meeting.barrier.wait()
        heard = list(self.meeting.said)
        self.meeting.barrier.wait()
        return heard

    def all_to_all(self, send, *, out) -> None:
        out[...] = np.stack([theirs[self.rank] for theirs in self.exchange(send)])

    def all_gather(self, send, *, out) -> None:
        out[...] = np.stack(self.exchange(send))


def on_ranks(size: int, work: Callable[[ThreadRanks], Any], shards: int | None = None) -> list[Any]:
    """Return what every rank's work returns; whoever fails ends the others."""
    meeting = Meeting(size)

    def go(rank: int) -> Any:
        try:
            return work(ThreadRanks(rank, meeting, shards))
        except BaseException:
            meeting.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(go, rank) for rank in range(size)]
    errors = [future.exception() for future in futures if future.exception() is not None]
    for error in sorted(errors, key=lambda e: type(e).__name__ == "BrokenBarrierError"):
        raise error
    return [future.result() for future in futures]
