"""The extension under AddressSanitizer and UBSan: its own tests again, in a process of their own."""

from __future__ import annotations

import pytest

from tests.backend.cpu.native.bits import needs_native
from tests.backend.cpu.native.sanitized import run, why_not


@needs_native
@pytest.mark.slow
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_nothing_is_found() -> None:
    done = run()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout
