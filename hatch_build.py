"""Compile the native executor for the wheel where there is a C compiler; without one the wheel is pure Python."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = "minisgd/backend/cpu/native"


class NativeExecutor(BuildHookInterface):
    """Hatchling's hook: called before a wheel is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        self.work = tempfile.TemporaryDirectory()  # until the wheel is written
        target = Path(self.root, NATIVE) if version == "editable" else Path(self.work.name)
        try:
            library = _builder(Path(self.root)).build(target)
        except (Exception, SystemExit) as problem:  # setuptools ends the process where the compiler is missing
            self.app.display_warning(f"the native executor is left out, programs will be replayed by NumPy: {problem}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"][str(library)] = f"{NATIVE}/{library.name}"


def _builder(root: Path) -> Any:
    """Return the module that builds in a checkout, without importing the package that it is part of."""
    spec = importlib.util.spec_from_file_location("build_native", root / NATIVE / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
