"""Ranks that mpiexec has started: the same bits, one end for all, and the command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

import minisgd as ms
from minisgd.training.distributed.mpi import NCCLCommunicator
from tests.training.distributed.broken import ROOT, SAID, WAYS, break_one, mpiexec

pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install 'minisgd[mpi]'")
if mpiexec() is None:
    pytest.skip("mpiexec is not there: pip install 'minisgd[mpi]'", allow_module_level=True)

PROGRAM = """
import hashlib, sys
import minisgd as ms
digits = ms.datasets.digits().train
data = ms.Dataset.from_arrays(digits.x.reshape(-1, 8, 8, 1), digits.y, validation=0.2)
net = ms.Network(ms.Conv2d(4, 3), ms.ReLU(), ms.Flatten(), ms.Linear(10))
ranks = ms.distributed.mpi()
seed = ranks.rank if sys.argv[1:] == ["different"] else 0
run = ms.train(net, data, optimizer=ms.Adam(lr=0.01), batch_size=96, steps=200, seed=seed, communicator=ranks)
print(hashlib.sha256(run.network.vector.tobytes()).hexdigest())
"""


def started(ranks: int, *command: str) -> subprocess.CompletedProcess[str]:
    words = [mpiexec() or "", "-n", str(ranks), sys.executable, *command]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_weights_after_200_steps_are_the_same_on_1_2_and_4_ranks():
    said = [started(n, "-c", PROGRAM) for n in (1, 2, 4)]
    digests = [re.findall("[0-9a-f]{64}", each.stdout) for each in said]  # lines of ranks may be one
    assert [len(each) for each in digests] == [1, 2, 4], said[-1].stderr
    assert len({digest for each in digests for digest in each}) == 1


def test_ranks_that_differ_are_refused():
    found = started(2, "-c", PROGRAM, "different")
    assert found.returncode == 1
    assert "seed must be the same on all ranks" in found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 40, 200])
@pytest.mark.parametrize("way", WAYS)
def test_the_end_of_one_rank_is_that_of_all(way, step):
    _, said = break_one(way, step, limit=120)
    assert SAID[way] in said


def test_one_rank_prints_and_writes(tmp_path):
    options = ["--data", "digits", "--batch-size", "64", "--epochs", "2", "--json", "--out", str(tmp_path)]
    found = started(2, "-m", "minisgd", "train", "--mpi", *options)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["epochs"] == 2
    assert {"weights.safetensors", "train.json"} <= {path.name for path in tmp_path.iterdir()}


def test_a_failure_on_the_command_line_ends_all_ranks():
    found = started(2, "-m", "minisgd", "train", "--mpi", "--data", "digits", "--lr", "1e9")
    assert found.returncode != 0
    assert "minisgd: training loss must be finite" in found.stderr


def test_shards_without_mpi_are_refused():
    found = subprocess.run(
        [sys.executable, "-m", "minisgd", "train", "--data", "digits", "--shards", "4"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 2 and "--shards must be given with --mpi" in found.stderr


def test_device_arrays_go_by_nccl_and_host_arrays_by_mpi():
    """On doubles of both: the calls as cupyx.distributed takes them."""
    said = []

    class Group:
        def all_to_all(self, send, out, stream):
            said.append(("nccl all_to_all", out, stream))

        def all_gather(self, send, out, count, stream):
            said.append(("nccl all_gather", count, stream))

    class World:
        def Allgather(self, send, out):
            said.append(("mpi", send, out))

    class Stream:
        def synchronize(self):
            said.append(("done",))

    class DeviceArray:
        size = 6

    ranks = object.__new__(NCCLCommunicator)
    ranks.world, ranks._group, ranks._stream = World(), Group(), Stream()
    here, there = DeviceArray(), DeviceArray()
    ranks.all_to_all(here, out=there)
    ranks.all_gather(here, out=there)
    host = ms.datasets.digits().train.x[:2]
    ranks.all_gather(host, out=host)
    stream = ranks._stream
    assert said[:4] == [("nccl all_to_all", there, stream), ("done",), ("nccl all_gather", 6, stream), ("done",)]
    assert said[4][0] == "mpi"
