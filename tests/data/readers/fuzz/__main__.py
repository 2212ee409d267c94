"""Run the fuzzer: see the package."""

from __future__ import annotations

import sys

from tests.data.readers.fuzz.running import main

if __name__ == "__main__":
    sys.exit(main())
