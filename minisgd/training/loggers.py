"""Callbacks that write down what a training run measures: as CSV, as lines of JSON, for TensorBoard; and the rates."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import IO, Any

from minisgd.checks import as_path
from minisgd.errors import missing_extra
from minisgd.files import output_errors
from minisgd.training.callbacks import Callback
from minisgd.training.history import Record
from minisgd.training.state import TrainingState


class FileLogger(Callback):
    """Write a line to a file after every evaluation, at once, so that it can be followed; a resumed run adds to it.

    Args:
        path: The file; missing folders are made. A training run from the start begins it anew.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = as_path(path, "path")

    def on_start(self, training: TrainingState) -> None:
        self._file: IO[str] | None = None
        self._mode = "w"

    def restore(self, state: Mapping[str, Any]) -> None:
        self._mode = "a"

    def on_evaluation(self, training: TrainingState, record: Record) -> bool:
        with output_errors(f"log {str(self.path)!r}", "writable", "choose another path"):
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = open(self.path, self._mode, encoding="utf-8", newline="")  # noqa: SIM115 - until on_end
            self.write(self._file, record)
            self._file.flush()
        return False

    def on_end(self, training: TrainingState) -> None:
        if self._file is not None:
            with suppress(OSError):  # all has been written, or refused, at the evaluations
                self._file.close()

    def write(self, file: IO[str], record: Record) -> None:
        """Write one record.

        Args:
            file: The open file.
            record: What was measured.
        """
        raise NotImplementedError


class CSVLogger(FileLogger):
    """Write every evaluation as a row of a CSV file, under a header: ``CSVLogger("log.csv")``."""

    def write(self, file: IO[str], record: Record) -> None:
        rows = csv.writer(file)
        if self.path.stat().st_size == 0:
            rows.writerow(record)
        rows.writerow("" if value is None else value for value in record.values())


class JSONLinesLogger(FileLogger):
    """Write every evaluation as a line of JSON, null for what is not finite: ``JSONLinesLogger("log.jsonl")``."""

    def write(self, file: IO[str], record: Record) -> None:
        finite = {name: value if value is not None and isfinite(value) else None for name, value in record.items()}
        file.write(json.dumps(finite) + "\n")


class TensorBoardLogger(Callback):
    """Write every evaluation for TensorBoard, with ``minisgd[tensorboard]``.

    Args:
        folder: Where TensorBoard is pointed to: ``tensorboard --logdir FOLDER``.

    Raises:
        MissingExtraError: If tensorboardX is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = as_path(folder, "folder", "folder")
        fix = "pip install 'minisgd[tensorboard]'"
        with missing_extra("tensorboardX", expected="installed", got="no tensorboardX", fix=fix):
            import tensorboardX  # noqa: F401

    def on_start(self, training: TrainingState) -> None:
        from tensorboardX import SummaryWriter

        self._writer: Any = SummaryWriter(str(self.folder))

    def on_evaluation(self, training: TrainingState, record: Record) -> bool:
        for name, value in record.items():
            if value is not None and name not in ("step", "seconds"):
                self._writer.add_scalar(name.replace("_", "/", 1), value, record["step"])
        self._writer.flush()
        return False

    def on_end(self, training: TrainingState) -> None:
        self._writer.close()


class RateRecorder(Callback):
    """Keep ``lr`` and ``batch_sizes`` of every update, ``steps`` their numbers from 1, as lists."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.lr: list[float] = []
        self.batch_sizes: list[int] = []

    def on_start(self, training: TrainingState) -> None:
        self.steps, self.lr, self.batch_sizes = [], [], []

    def on_step(self, training: TrainingState) -> None:
        session = training.session
        self.steps.append(session.steps)
        self.lr.append(session.lr)
        self.batch_sizes.append(session.size)

    def state(self) -> Mapping[str, Any]:
        return {"steps": self.steps, "lr": self.lr, "batch_sizes": self.batch_sizes}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.steps, self.lr, self.batch_sizes = (list(state[name]) for name in ("steps", "lr", "batch_sizes"))
