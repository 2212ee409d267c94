"""Checkpoints: the state of a training run as a safetensors file and a JSON document, neither of which can run code.

A checkpoint is there once its JSON document is, which is written last and holds a digest of both. Each file is
written to a draft, flushed to the disk and renamed, so that a process may be killed at any moment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import finalize

from minisgd.errors import CheckpointError
from minisgd.files import lock_folder, output_errors, require_writable, write_atomically
from minisgd.packing import pack, unpack
from minisgd.typing import HostArray

FORMAT = 2
KEPT = 2
"""Checkpoints of a training run that are kept: should the last one be damaged, there is the one before."""

_PREFIX = "checkpoint-"


class CheckpointFolder:
    """The checkpoints of one training run: ``checkpoint-<step>.json`` and ``checkpoint-<step>.safetensors``."""

    def __init__(self, path: Path, argument: str) -> None:
        self.path, self.argument = path, f"{argument} {str(path)!r}"
        self._own: list[str] = []
        self.close: Callable[[], Any] = lambda: None
        """Let another process have the folder; done in any case when this object or the process is gone."""

    def open_for_writing(self) -> None:
        """Take the folder for this process, and remove what processes that were killed have left in it.

        Raises:
            ArgumentError: If another process is working in it.
            OutputError: If it cannot be written to.
        """
        require_writable(self.path, self.argument)
        self.close = finalize(self, lock_folder(self.path, self.argument))

    def write(self, step: int, state: Mapping[str, Any]) -> None:
        """Write a checkpoint, then remove all but the last two of this training run.

        Raises:
            OutputError: If it cannot be written; those before it stay.
            DtypeError: If the state holds what neither JSON nor safetensors can.
        """
        from safetensors.numpy import save

        tensors: dict[str, HostArray] = {}
        document = pack(state, tensors)
        content = save(tensors)
        name = f"{_PREFIX}{step:09d}"
        here, there = self.path / f"{name}.json", self.path / f"{name}.safetensors"
        if name not in self._own:
            with output_errors(self.argument, "a folder that can be written to"):
                here.unlink(missing_ok=True)  # an earlier run's: it must not stand beside the tensors of this one
        write_atomically(there, content, self.argument)
        text = json.dumps({"format": FORMAT, "sha256": _digest(document, content), "state": document}, allow_nan=False)
        write_atomically(here, text.encode(), self.argument)
        self._own = [*(own for own in self._own if own != name), name][-KEPT:]
        self._remove_others()

    def read(self) -> dict[str, Any]:
        """Return the state of the newest checkpoint that is undamaged.

        Raises:
            CheckpointError: If there is none.
        """
        problem = f"a file: its folder is {str(self.path.parent)!r}" if self.path.exists() else "no such folder"
        if self.path.is_dir():
            problem = "no checkpoint in it"
        for document in sorted(self.path.glob(f"{_PREFIX}*.json"), reverse=True):
            try:
                state = _read(document)
            except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
                problem = f"{document.name}, which is damaged ({error})"
                continue
            self._own = [document.stem]
            return state
        raise CheckpointError(
            self.argument,
            expected="a folder with the checkpoints of a training run",
            got=problem,
            fix="leave it out to start anew",
        )

    def _remove_others(self) -> None:
        with output_errors(self.argument, "a folder that can be written to"):
            for path in (*self.path.glob(f"{_PREFIX}*.json"), *self.path.glob(f"{_PREFIX}*.safetensors")):
                if path.stem not in self._own:
                    path.unlink(missing_ok=True)


def _read(document: Path) -> dict[str, Any]:
    """Return the state of a checkpoint.

    Raises:
        ValueError: If one of its files is not what was written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    about = json.loads(document.read_text("utf-8"))
    if about["format"] != FORMAT:
        raise CheckpointError(
            f"checkpoint {str(document)!r}",
            expected=f"of format {FORMAT}",
            got=about["format"],
            fix="resume with the version of minisgd that wrote it",
        )
    content = document.with_suffix(".safetensors").read_bytes()
    if _digest(about["state"], content) != about["sha256"]:
        got = "other numbers or tensors than were written"
        raise CheckpointError(f"checkpoint {str(document)!r}", expected="whole", got=got, fix="start anew")
    try:
        state = unpack(about["state"], load(content))
    except SafetensorError as error:
        raise CheckpointError(str(document), expected="whole", got=str(error), fix="start anew") from error
    if not isinstance(state, dict):
        raise CheckpointError(
            str(document), expected="the state of a training run", got=type(state).__name__, fix="start anew"
        )
    return state


def _digest(document: Any, content: bytes) -> str:
    """Return the digest of a state: of its document and its tensors."""
    digest = hashlib.sha256(json.dumps(document, allow_nan=False).encode())
    digest.update(content)
    return digest.hexdigest()
