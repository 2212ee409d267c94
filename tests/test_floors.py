"""The house: every floor imports only from floors below it, inside folders too, and no files import in a circle."""

from __future__ import annotations

from graphlib import TopologicalSorter

import pytest

from tests.imports import import_graph

FLOORS: dict[str, int] = {
    "errors": 0,
    "version": 0,
    "typing": 0,
    "files": 0,
    "checks": 0,
    "tables": 0,
    "sparse": 0,
    "packing": 0,
    "backend": 1,
    "nn": 2,
    "optim": 3,
    "data": 4,
    "training": 5,
    "lab": 6,
    "cli": 7,
    "estimators": 7,
    "interop": 7,
    "__init__": 7,
    "__main__": 7,
}
"""``__init__`` is the public face of the floors below; the command line uses it."""

ROOMS: dict[str, tuple[str, ...]] = {
    "backend": ("cpu cuda", "__init__"),
    "nn": (
        "layers",
        "losses",
        "sequential inference weights network transformer freezing adapters boltzmann",
        "models architecture imported per_example cpu cuda",
        "__init__",
    ),
    "lab": ("instruments", "study explorer", "claims runs"),
    "lab/study": ("report", "run", "__init__"),
    "lab/claims": ("experiments", "sentences", "report run", "__init__"),
}
"""Floors inside a folder from the second upwards; whatever is not named is on the first."""

APART = {"cpu", "cuda"}
"""Folders that never import each other: a device is imported only where it is asked for."""

EVERYWHERE = import_graph(typing_only=True)


def name_in(folder: str, module: str) -> str | None:
    """Return the file or folder of a folder that a module belongs to; None where it lies elsewhere."""
    package = ".".join(["minisgd", *folder.split("/")]) if folder else "minisgd"
    if module == package:
        return "__init__"
    return module.removeprefix(f"{package}.").split(".")[0] if module.startswith(f"{package}.") else None


def floor_in(folder: str, name: str) -> int:
    return next((floor for floor, names in enumerate(ROOMS[folder], 1) if name in names.split()), 0)


def test_every_package_has_a_floor() -> None:
    assert {name_in("", module) for module in EVERYWHERE} <= set(FLOORS)


def test_floors_import_only_downwards() -> None:
    """Wherever the import stands: at the top, in a function, or for type checkers only."""
    for module, others in EVERYWHERE.items():
        upwards = [other for other in others if FLOORS[name_in("", other)] > FLOORS[name_in("", module)]]
        assert not upwards, f"{module} imports {upwards}"


@pytest.mark.parametrize("folder", ROOMS)
def test_folders_import_only_downwards(folder: str) -> None:
    for module, others in import_graph().items():
        here = name_in(folder, module)
        for there in (name_in(folder, other) for other in others):
            if here is None or there is None or here == there:
                continue
            assert floor_in(folder, there) <= floor_in(folder, here), f"{module} imports {there}"
            assert not {here, there} <= APART, f"{module} imports {there}"


def test_folders_have_what_is_said_of_them() -> None:
    for folder, floors in ROOMS.items():
        found = {name_in(folder, module) for module in EVERYWHERE}
        assert set(" ".join(floors).split()) - {"cpu", "cuda"} <= found, folder


def test_no_files_import_in_a_circle() -> None:
    """Imports in functions count: two files that need each other are one file, or three."""
    TopologicalSorter(import_graph()).prepare()  # raises CycleError, which names them
