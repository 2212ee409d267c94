"""The benchmark of the all-reduce runs."""

from __future__ import annotations

import json

import pytest

from benchmarks.cpu import all_reduce
from tests.training.distributed.broken import mpiexec


@pytest.mark.slow
def test_exchanges_are_a_part_of_a_step(tmp_path):
    pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install 'minisgd[mpi]'")
    if mpiexec() is None:
        pytest.skip("mpiexec is not there: pip install 'minisgd[mpi]'")
    assert all_reduce.main(["--quick", "--json", str(tmp_path / "all_reduce.json")]) == 0
    for row in json.loads((tmp_path / "all_reduce.json").read_text())["steps"]:
        assert 0 < row["exchange"] < row["step"] and row["gradient_bytes"] > 900_000
