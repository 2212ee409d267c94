"""Several processes train one network together: ``mpirun -n 4 python examples/mpi_training.py``."""

import hashlib

import minisgd as ms

data = ms.datasets.digits(validation=0.2, seed=0)
network = ms.Network(ms.Linear(128), ms.SyncBatchNorm(), ms.ReLU(), ms.Linear(10))
ranks = ms.distributed.mpi()
run = ms.train(network, data, optimizer=ms.SGD(lr=0.1, momentum=0.9), batch_size=128, epochs=5, communicator=ranks)
if ranks.rank == 0:  # the same bits on 1, 2, 4 or 8 ranks
    print(f"{run.evaluate()}  weights {hashlib.sha256(run.network.vector.tobytes()).hexdigest()[:16]}")
