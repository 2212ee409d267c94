"""What a user can import, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import minisgd as ms


@pytest.mark.parametrize("name", ms.__all__)
def test_every_public_name_is_there(name):
    assert getattr(ms, name) is not None
    assert name in dir(ms)


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(ms.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == set(ms.__all__)


def test_type_checkers_see_the_same_objects():
    """A name that two floors have would be that of whichever is asked first."""
    tree = ast.parse(Path(ms.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                assert getattr(ms, alias.name) is getattr(import_module(node.module), alias.name), alias.name


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="has no attribute 'Lineer'"):
        ms.Lineer  # noqa: B018


def test_names_are_what_they_say():
    assert isinstance(ms.study, type(ms.train)) and isinstance(ms.explain, type(ms.train))


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_loads_little():
    heavy = {"matplotlib", "jinja2", "rich", "cupy", "threadpoolctl", "safetensors", "scipy", "torch"}
    assert not heavy & loaded_after("import minisgd")
    assert not (heavy - {"threadpoolctl"}) & loaded_after("import minisgd as ms; ms.train, ms.study, ms.datasets")
