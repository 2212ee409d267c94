"""The benchmarks are not part of the installed package: they are imported from the checkout."""

from __future__ import annotations

import sys
from pathlib import Path

# at the end, so that an installed minisgd is the one that is tested
sys.path.append(str(Path(__file__).resolve().parents[2]))
