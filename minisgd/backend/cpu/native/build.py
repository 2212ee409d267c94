"""Build the native executor where it stands: ``python -m minisgd.backend.cpu.native.build``.

It needs a C compiler, NumPy's headers and setuptools, which knows how extensions are built on every platform; nothing
else of minisgd is imported. Hatchling reads this file too, for the hook that puts the library into the wheel.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAME = "_executor"
SOURCES = tuple(HERE / name for name in (f"{NAME}.c", "loops.h", "fused_loops.h", "reading.h"))

FLAGS = () if sys.platform == "win32" else ("-O3", "-ffp-contract=off", "-fno-math-errno")
"""Every operation is rounded by itself, as in NumPy, and a square root sets no error number. MSVC does so anyway."""


def checksum() -> int:
    """Return a checksum of the C sources, which the library carries: one built from others is stale."""
    return zlib.crc32(b"".join(path.read_bytes() for path in SOURCES)) & 0x7FFFFFFF


def build(target: Path = HERE, flags: Sequence[str] = FLAGS) -> Path:
    """Compile the extension and return the path of the library.

    Args:
        target: Folder that the library is put into.
        flags: Arguments for the compiler and the linker.

    Raises:
        Exception: Whatever setuptools raises where there is no compiler or the compiler fails.
    """
    import numpy as np
    from setuptools import Distribution, Extension

    extension = Extension(
        NAME,
        [str(SOURCES[0])],
        include_dirs=[np.get_include()],
        define_macros=[("CHECKSUM", str(checksum()))],
        extra_compile_args=list(flags),
        extra_link_args=[flag for flag in flags if flag.startswith("-fsanitize")],
    )
    with tempfile.TemporaryDirectory() as work:
        command = Distribution({"name": NAME, "ext_modules": [extension]}).get_command_obj("build_ext")
        command.build_lib = command.build_temp = work
        command.ensure_finalized()
        command.run()
        (built,) = map(Path, command.get_outputs())
        return Path(shutil.move(built, target / built.name))


def get_build_hook() -> type[Any]:
    """Return the hook that hatchling calls before it puts a wheel together; without a compiler the wheel is pure."""
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class NativeExecutor(BuildHookInterface):  # type: ignore[misc]
        """Compiles the extension for the wheel, or in place for an editable installation."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            if self.target_name != "wheel":
                return
            self.work = tempfile.TemporaryDirectory()  # until the wheel is written
            try:
                library = build(HERE if version == "editable" else Path(self.work.name))
            except (Exception, SystemExit) as problem:  # setuptools ends the process where the compiler is missing
                self.app.display_warning(f"without the native executor; NumPy replays recorded programs: {problem}")
                return
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["force_include"][str(library)] = str(HERE.relative_to(self.root) / library.name)

    return NativeExecutor


if __name__ == "__main__":
    print(build())
