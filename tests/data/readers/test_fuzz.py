"""A short run of the fuzzer; the long one is ``python -m tests.data.readers.fuzz all``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.data.readers.fuzz.makers import MAKERS

CASES = 150


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded by RLIMIT_AS of Linux")
@pytest.mark.parametrize("kind", ["npz", "csv", "parquet", "weights"])
def test_no_file_ends_in_another_error(kind: str) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow, which reads Parquet, is not installed")
    command = [sys.executable, "-m", "tests.data.readers.fuzz", kind, "--cases", str(CASES)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert done.returncode == 0 and f"{kind}: {CASES:,} cases" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("kind", MAKERS)
def test_a_number_decides_a_case(kind: str) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow, which makes the files, is not installed")
    files = [MAKERS[kind](Random(seed)) for seed in ("a", "a", "b")]
    assert files[0] == files[1] != files[2]
