"""What cannot run here is skipped by name, with the reason."""

from __future__ import annotations

import pytest
from cuda_build import missing_toolchain


@pytest.fixture
def toolchain() -> None:
    """Skip where kernels cannot be built for the CPU."""
    reason = missing_toolchain()
    if reason is not None:
        pytest.skip(reason)
