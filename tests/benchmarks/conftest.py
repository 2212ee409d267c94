"""The benchmarks are not part of the installed package: they are imported from the checkout."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def denormals_as_they_were():
    """The PyTorch rivals flush denormals, for the whole process: not for the tests that come after."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
