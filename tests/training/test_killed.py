"""SIGKILL at random moments leaves a checkpoint or a journal that can be read, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here only on POSIX")
@pytest.mark.parametrize(("kind", "kills"), [("train", 20), ("study", 15), ("claims", 15)])
def test_nothing_is_lost_by_kills(kind: str, kills: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.killed", kind, str(tmp_path), str(kills)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{kills} kills")
