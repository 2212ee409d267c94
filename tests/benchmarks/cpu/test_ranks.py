"""The benchmark of ranks runs, and all that it compares train the same."""

from __future__ import annotations

import json

import pytest

from benchmarks.cpu import ranks
from tests.training.distributed.broken import mpiexec


@pytest.mark.slow
def test_contenders_train_the_same(tmp_path):
    pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install 'minisgd[mpi]'")
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'minisgd[peers]'")
    if mpiexec() is None:
        pytest.skip("mpiexec is not there: pip install 'minisgd[mpi]'")
    assert ranks.main(["--quick", "--json", str(tmp_path / "ranks.json")]) == 0
    rows = json.loads((tmp_path / "ranks.json").read_text())["steps"]
    assert [row["contender"] for row in rows] == list(ranks.CONTENDERS)
