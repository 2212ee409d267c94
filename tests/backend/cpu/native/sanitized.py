"""Run the executor's tests on an extension built with sanitizers: ``python -m tests.backend.cpu.native.sanitized``.

AddressSanitizer finds reads and writes beyond memory, UBSan what C leaves undefined. Both have to be in the process
before Python, so it is started anew with the sanitizer's library preloaded.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from minisgd.backend.cpu.native.build import build

NAME = "minisgd.backend.cpu.native._executor"
FLAGS = (
    "-O1",
    "-g",
    "-ffp-contract=off",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
)
FILES = ("test_misuse.py", "test_translation.py", "test_chains.py", "test_fused_loops.py", "test_program.py")


def why_not() -> str | None:
    """Return why there is no sanitized run here, or None."""
    if not sys.platform.startswith("linux"):
        return "the sanitizer's library is preloaded as Linux does it"
    if importlib.util.find_spec("setuptools") is None:
        return "setuptools, which builds the extension, is not installed"
    return None if _library() else "no compiler with AddressSanitizer"


def run() -> subprocess.CompletedProcess[str]:
    """Build the extension with sanitizers and run its tests in a process of their own."""
    with tempfile.TemporaryDirectory() as folder:
        extension = build(Path(folder), FLAGS)
        return subprocess.run(
            [sys.executable, "-m", __spec__.name if __spec__ else __name__, str(extension)],
            env={
                **os.environ,
                "LD_PRELOAD": str(_library()),
                "ASAN_OPTIONS": "detect_leaks=0",  # Python keeps memory until it ends
                "PYTHONMALLOC": "malloc",  # so that every array has bounds of its own
                "MINISGD_EXECUTOR": "native",
                "PYTEST_ADDOPTS": "",
            },
            capture_output=True,
            text=True,
        )


def _library() -> str | None:
    try:
        path = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return os.path.realpath(path.strip()) if os.path.isabs(path) else None


def _test(extension: str) -> int:
    """Put the sanitized extension in the place of the one that was built for use, and run the tests."""
    spec = importlib.util.spec_from_file_location(NAME, extension)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    here = Path(__file__).parent
    # in this process: a worker would import the extension that was built for use
    return int(pytest.main(["-q", "-n", "0", "-p", "no:cacheprovider", *(str(here / name) for name in FILES)]))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(_test(sys.argv[1]))
    done = run()
    print(done.stdout, done.stderr, sep="\n")
    sys.exit(done.returncode)
