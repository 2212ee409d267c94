"""A study on a Dask cluster: ``python examples/dask_study.py tcp://HOST:PORT``, or on two workers here."""

import sys

from dask.distributed import Client

import minisgd as ms

if __name__ == "__main__":
    address = {"address": sys.argv[1]} if sys.argv[1:] else {"n_workers": 2, "threads_per_worker": 1}
    with Client(**address) as client:
        network, data = ms.Network(ms.Linear(32), ms.ReLU(), ms.Linear(10)), ms.datasets.digits(validation=0.2)
        print(ms.study(network, data, batch_sizes=[16, 128], seeds=3, target_accuracy=0.9, executor=client))
