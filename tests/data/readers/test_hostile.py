"""Three hundred hostile files: each is refused by an error of ours that says what is wrong, in a GiB of memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.readers.hostile import KINDS

# of each kind there are at least so many, 300 in all
LEAST = {"npy, mapped": 50, "npy, read": 50, "npz": 45, "idx": 30, "csv": 30, "parquet": 20, "arff": 15, "weights": 90}
NEEDS = {"parquet": "pyarrow", "arff": "scipy"}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded by RLIMIT_AS of Linux")
@pytest.mark.parametrize("kind", LEAST)
def test_every_hostile_file_is_refused(kind: str, tmp_path: Path) -> None:
    if kind in NEEDS:
        pytest.importorskip(NEEDS[kind], reason=f"{NEEDS[kind]}, which reads {kind}, is not installed")
    command = [sys.executable, "-m", "tests.data.readers.hostile", kind, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [o for o in outcomes if "MinisgdError" not in o["kinds"] or o["says"] not in o["message"]]
    assert wrong == [] and len(outcomes) >= LEAST[kind] and LEAST.keys() == KINDS.keys()
