"""Read every hostile file of one kind, one after the other, in little memory, and print what came of each as JSON.

python -m tests.data.readers.hostile KIND FOLDER
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

from tests.data.readers.hostile import KINDS

ROOM = 1 << 30
"""Bytes of address space beyond what the libraries take."""


def main(kind: str, folder: Path) -> None:
    name, cases, prepare = KINDS[kind]
    made = cases()
    read = prepare()
    try:
        read(folder / "absent")  # what is imported when it is used takes its room now
    except Exception:
        pass
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, taken + ROOM))
    for case, (content, says) in made.items():
        path = folder / name
        path.write_bytes(content)
        print(json.dumps({"case": case, "says": says, **outcome(read, path)}))


def outcome(read: Callable[[Path], Any], path: Path) -> dict[str, Any]:
    begun = process_time()
    try:
        value = read(path)
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        message = str(error)
    else:
        kinds, message = [], repr(value)[:200]
    return {"kinds": kinds, "message": message, "seconds": process_time() - begun}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
