"""The benchmarks are not part of the installed package: they are imported from the checkout."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# at the end, so that an installed minisgd is the one that is tested
sys.path.append(str(Path(__file__).resolve().parents[2]))


@pytest.fixture(autouse=True)
def denormals_as_they_were():
    """The PyTorch rivals flush denormals, for the whole process: not for the tests that come after."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
