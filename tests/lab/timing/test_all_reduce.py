"""The time of an all-reduce: fitted to two ranks, and measured where there is an MPI."""

import subprocess

import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.lab.timing.all_reduce import AllReduce, measure_all_reduce
from tests.training.distributed.broken import mpiexec


def test_the_fit_finds_what_made_the_times():
    made = AllReduce(5e-6, 2e9)
    found = AllReduce.fitted({size: made.seconds(2, size) for size in (256, 16384, 4194304)})
    assert_allclose([found.latency, found.bandwidth], [made.latency, made.bandwidth], rtol=1e-6)


def test_one_rank_waits_for_nobody():
    assert AllReduce(1.0, 1.0).seconds(1, 1e6) == 0


def test_two_ranks_are_timed():
    pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install 'minisgd[mpi]'")
    if mpiexec() is None:
        pytest.skip("mpiexec is not there: pip install 'minisgd[mpi]'")
    found = measure_all_reduce()
    assert 0 <= found.latency < 10 and found.seconds(64, 4e6) > found.seconds(2, 4e6) > 0


def test_without_an_mpi_the_extra_is_named(monkeypatch):
    def missing(*args, **options):
        raise FileNotFoundError("no mpiexec")

    monkeypatch.setattr(subprocess, "run", missing)
    with pytest.raises(ms.MissingExtraError, match=r"ranks must be started by mpiexec.*minisgd\[mpi\]"):
        measure_all_reduce()
