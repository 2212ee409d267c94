"""What the package's files import, read from their source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import minisgd

ROOT = Path(minisgd.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the full names that an import statement brings in."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "write imports in full"
        assert node.module is not None
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the statements that run when the module is imported: not those in functions or for type checkers."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += node.orelse
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def without_typing(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield everything that may run, in functions too: not what is for type checkers only."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += node.orelse
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def module_name(path: Path) -> str:
    """Return the full name of a module, a package's being that of its folder."""
    parts = ("minisgd", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def import_graph(*, typing_only: bool = False) -> dict[str, set[str]]:
    """Return which modules of the package each of them imports: at its top or in functions.

    typing_only: those too that only type checkers see
    """
    names = {module_name(path): path for path in MODULES}
    graph, walk = {}, ast.walk if typing_only else without_typing
    for name, path in names.items():
        wanted = {each for node in walk(tree_of(path)) for each in imported(node)}
        # ``from package import name`` means the module of that name, or else what the package itself holds
        found = {each if each in names else each.rpartition(".")[0] for each in wanted}
        graph[name] = found & names.keys() - {name}
    return graph
