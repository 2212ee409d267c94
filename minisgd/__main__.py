"""``minisgd`` and ``python -m minisgd``: the command line."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; Ctrl-C while it is still being imported ends it without a traceback."""
    try:
        from minisgd.cli import main as run
    except KeyboardInterrupt:
        return 130
    try:
        return run()
    finally:
        exec("")  # else Python remembers an interrupt within exec, as of a dataclass, and ends as if nobody took it


if __name__ == "__main__":
    sys.exit(main())
