"""The map of the kernels lists every file that the package ships, with every kernel in it."""

from __future__ import annotations

import re

from minisgd.backend.cuda.launcher import kernels_folder
from tests.cuda.shipped_kernels import definitions


def test_the_map_lists_every_kernel() -> None:
    text = (kernels_folder() / "README.md").read_text(encoding="utf-8")
    listed = {
        file: re.findall(r"`(\w+)`", names)
        for file, names in re.findall(r"^\| `(\w+)\.cu` \| (.*?) \|", text, re.MULTILINE)
    }
    shipped: dict[str, set[str]] = {}
    for definition in definitions():
        if definition.folder is None:
            shipped.setdefault(definition.file, set()).add(definition.name)
    assert {file: set(names) for file, names in listed.items()} == shipped
    assert set(listed) == {path.stem for path in kernels_folder().glob("*.cu")}
