"""Data-parallel training: n processes, the ranks, compute the gradient of one batch together.

>>> ms.train(net, data, communicator=ms.distributed.mpi())   # under mpirun -n 4 python train.py
"""

from __future__ import annotations

from minisgd.training.distributed.communicator import Communicator
from minisgd.training.distributed.mpi import mpi, nccl

__all__ = ["Communicator", "mpi", "nccl"]
