"""What a user can import, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import minisgd as ms
from minisgd import estimators


@pytest.mark.parametrize("name", ms.__all__)
def test_every_public_name_is_there(name):
    assert getattr(ms, name) is not None
    assert name in dir(ms)


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(ms.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {node.module for node in block.body if isinstance(node, ast.ImportFrom)}
    assert seen == {f"minisgd.{floor}" for floor in ms._FLOORS}


def test_no_two_floors_have_a_name_in_common():
    """It would be that of whichever is asked first."""
    assert len(ms.__all__) == len(set(ms.__all__))


@pytest.mark.parametrize("floor", ms._FLOORS)
def test_a_package_lists_what_it_imports_for_others(floor):
    package = import_module(f"minisgd.{floor}")
    if package is estimators:
        pytest.importorskip("sklearn")
    for name in package.__all__:
        assert getattr(ms, name) is getattr(package, name)
    if hasattr(package, "__path__"):
        tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
        body = [*tree.body, *(inner for node in tree.body if isinstance(node, ast.If) for inner in node.body)]
        brought_in = [node for node in body if isinstance(node, ast.ImportFrom)]
        from_us = [node for node in brought_in if node.module.startswith("minisgd.")]
        assert {alias.asname or alias.name for node in from_us for alias in node.names} == set(package.__all__)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="has no attribute 'Lineer'"):
        ms.Lineer  # noqa: B018


def test_names_are_what_they_say():
    assert isinstance(ms.study, type(ms.train)) and isinstance(ms.explain, type(ms.train))


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_loads_little():
    heavy = {"matplotlib", "jinja2", "rich", "cupy", "threadpoolctl", "safetensors", "scipy", "torch", "sklearn"}
    assert not heavy & loaded_after("import minisgd")
    assert not (heavy - {"threadpoolctl"}) & loaded_after(
        "import minisgd as ms; ms.train, ms.study, ms.datasets; ms.__all__"
    )
