"""Tensors in a safetensors file that anybody may have written: all of it sound, or refused with what is wrong by name.

A file is: the length of the header as 8 bytes, the header in JSON (by name: dtype, shape, offsets), the values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minisgd.errors import CheckpointError
from minisgd.typing import HostArray

_AS_STORED = ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")


def read_tensors(path: Path, where: str) -> tuple[dict[str, HostArray], dict[str, str]]:
    """Return the tensors by name, BF16 as float32, and the metadata.

    where: what the file is, for messages

    Raises:
        CheckpointError: For a file that is missing or damaged, names something twice, or holds other numbers.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:  # refuses lengths, shapes and offsets that do not fit
            header, start = _header(path, where)
            metadata = dict(header.pop("__metadata__", None) or {})
            bytes_ = np.memmap(path, np.uint8, "r") if header else np.empty(0, np.uint8)
            tensors = {}
            for name, entry in header.items():
                if entry["dtype"] == "BF16":  # the upper half of a float32
                    first, stop = (start + offset for offset in entry["data_offsets"])
                    halves = np.array(bytes_[first:stop]).view("<u2").astype(np.uint32)
                    tensors[name] = (halves << 16).view(np.float32).reshape(entry["shape"])
                elif entry["dtype"] in _AS_STORED:
                    tensors[name] = file.get_tensor(name)
                else:
                    expected = f"of {', '.join(_AS_STORED[:3])} or BF16"
                    fix = "convert it to float32 and save the file again"
                    raise CheckpointError(f"{where}: {name}", expected=expected, got=entry["dtype"], fix=fix)
            return tensors, metadata
    except (OSError, SafetensorError, ValueError) as problem:
        if isinstance(problem, CheckpointError):
            raise
        raise CheckpointError(
            where,
            expected="a readable safetensors file",
            got="a folder" if path.is_dir() else str(problem),
            fix="check the path; a file that was cut short cannot be repaired",
        ) from problem


def as_bytes(tensors: Mapping[str, HostArray], metadata: Mapping[str, str]) -> bytes:
    """Return the content of such a file. The same tensors and metadata make the same file, to the last byte."""
    from safetensors.numpy import save

    content = save(dict(tensors), metadata=dict(metadata))
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(metadata.items()))  # which safetensors writes in any order
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    return len(text).to_bytes(8, "little") + text + content[start:]


def _header(path: Path, where: str) -> tuple[dict[str, Any], int]:
    """Return the header of a file that safetensors takes for one, and where the values begin."""

    def pairs(items: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(items)
        if len(document) < len(items):
            names = [name for name, _ in items]
            twice = next(name for name in names if names.count(name) > 1)
            raise CheckpointError(
                where, expected="a file that names everything once", got=f"{twice!r} twice", fix="save it again"
            )
        return document

    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header: dict[str, Any] = json.loads(stream.read(length), object_pairs_hook=pairs)
    return header, 8 + length
