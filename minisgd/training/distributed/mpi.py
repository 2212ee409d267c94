"""Ranks that ``mpirun`` has started."""

from __future__ import annotations

import sys
from time import sleep
from types import TracebackType
from typing import Any

import numpy as np

from minisgd.backend import get_ops
from minisgd.errors import MissingExtraError
from minisgd.training.distributed.communicator import Communicator
from minisgd.typing import Array

GRACE = 0.5
"""Seconds in which other ranks that fail too can say why, and what was said gets through, before all are ended."""


class MPICommunicator(Communicator):
    """Ranks that exchange host arrays by MPI.

    An uncaught exception ends all ranks: they would wait for this one for ever.
    """

    def __init__(self, shards: int | None) -> None:
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:  # the second where mpi4py finds no MPI
            fix = "pip install 'minisgd[mpi]'"
            raise MissingExtraError("mpi4py", expected="installed, with an MPI", got=str(error), fix=fix) from error
        self.world: Any = MPI.COMM_WORLD
        super().__init__(self.world.Get_rank(), self.world.Get_size(), shards)
        if self.size > 1 and not isinstance(getattr(sys.excepthook, "__self__", None), MPICommunicator):
            self._report, sys.excepthook = sys.excepthook, self._end_all

    def all_to_all(self, send: Array, *, out: Array) -> None:
        self.world.Alltoall(send, out)

    def all_gather(self, send: Array, *, out: Array) -> None:
        self.world.Allgather(send, out)

    def _end_all(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stderr.write(f"rank {self.rank} of {self.size}:\n")
        self._report(kind, error, trace)
        sys.stdout.flush()
        sys.stderr.flush()
        sleep(GRACE)
        self.world.Abort(1)


class NCCLCommunicator(MPICommunicator):
    """Ranks with a GPU each, which exchange device arrays by NCCL; host arrays go by MPI."""

    device = "cuda"

    def __init__(self, shards: int | None) -> None:
        super().__init__(shards)
        from minisgd.backend.cuda.cupy_ops import join_group

        self._group: Any = join_group(self.size, self.rank)
        self._stream: Any = get_ops("cuda").stream  # type: ignore[attr-defined]

    def all_to_all(self, send: Array, *, out: Array) -> None:
        self._group.all_to_all(send, out, self._stream)
        self._stream.synchronize()

    def all_gather(self, send: Array, *, out: Array) -> None:
        if isinstance(send, np.ndarray):
            super().all_gather(send, out=out)
        else:
            self._group.all_gather(send, out, send.size, self._stream)
            self._stream.synchronize()


def mpi(*, shards: int | None = None) -> Communicator:
    """Return the ranks that ``mpirun -n 4 python train.py`` has started; without it, a single one.

    A batch is cut into S shards of ⌊B/S⌋ or ⌈B/S⌉ examples. Each of n ranks computes S/n of them, one after the other;
    their gradients are added up in the order of a binary tree over the shards. So the weights have the same bits on
    1, 2, 4, … ranks. What that costs: products of B/S rows instead of B/n, and ⌊log2(S/n)⌋ + 1 gradients in memory.
    BatchNorm normalises each shard apart, SyncBatchNorm the whole batch.

    Args:
        shards: S, the number of ranks times a power of two; by default 8, or the next such number. With as many shards
            as ranks a step costs least, and has the same bits only on as many ranks.

    Returns:
        What ``ms.train(communicator=…)`` takes.

    Raises:
        ArgumentError: If the ranks cannot divide the shards.
        MissingExtraError: If mpi4py is not installed.
    """
    return MPICommunicator(shards)


def nccl(*, shards: int | None = None) -> Communicator:
    """Return the ranks that ``mpirun`` has started, each with a GPU of its own, exchanging gradients by NCCL.

    Args:
        shards: As for ``mpi``.

    Returns:
        What ``ms.train(device="cuda", communicator=…)`` takes.

    Raises:
        ArgumentError: If the ranks cannot divide the shards.
        MissingExtraError: If mpi4py is not installed, or CUDA cannot be used.
    """
    return NCCLCommunicator(shards)
