"""Build the native executor where it stands: ``python -m minisgd.backend.cpu.native.build``.

The wheel's build hook runs the same function. It needs a C compiler, NumPy's headers and setuptools, which knows how
extensions are built on every platform; nothing else of minisgd is imported.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
NAME = "_executor"


def build(target: Path = HERE, flags: Sequence[str] = ("-O3",)) -> Path:
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
        [str(HERE / f"{NAME}.c")],
        include_dirs=[np.get_include()],
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


if __name__ == "__main__":
    print(build())
