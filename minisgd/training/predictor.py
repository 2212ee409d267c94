"""A trained model that can be used: raw examples in, values, probabilities or labels out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minisgd.data.preprocessing import Preprocessing
from minisgd.errors import ArgumentError, CheckpointError, DataError
from minisgd.nn import Network
from minisgd.nn.weights import read_metadata, save_weights
from minisgd.typing import HostArray


@dataclass(frozen=True)
class Predictor:
    """A network, and the preprocessing of the data that it was trained on.

    Attributes:
        network: The trained network.
        preprocessing: What turns raw examples into what it reads.
    """

    network: Network
    preprocessing: Preprocessing

    def predict(self, raw: Any) -> HostArray:
        """Return what the network answers for raw examples.

        Args:
            raw: Examples as they were before training: an array (N, …), a list of rows, a data frame, or the path of a
                table or a .npy file. Columns may stand in any order, and others may be there.

        Returns:
            Values in the units and the shape of the targets, (N,) or (N, O), for regression; else logits (N, C).

        Raises:
            DataError: For columns that are missing, or cells that cannot be read.
            ShapeError: For examples of another shape.
        """
        return self.of(self.preprocessing.inputs(raw))

    def predict_proba(self, raw: Any) -> HostArray:
        """Return probabilities: of every class, or of every label where several may hold.

        Args:
            raw: As for ``predict``.

        Returns:
            (N, C), rows of which sum to 1 unless several labels may hold.

        Raises:
            ArgumentError: For regression.
            DataError: As for ``predict``.
        """
        self._require_classes("predict_proba")
        return self.probabilities(self.predict(raw))

    def predict_labels(self, raw: Any) -> HostArray:
        """Return labels as they were in the training data.

        Args:
            raw: As for ``predict``.

        Returns:
            (N,) the likeliest class; or (N, O) of 0 and 1 where several labels may hold.

        Raises:
            ArgumentError: For regression.
            DataError: As for ``predict``.
        """
        self._require_classes("predict_labels")
        codes = self.codes(self.predict(raw))
        return codes if self.preprocessing.task == "multilabel" else self.preprocessing.labels_of(codes)

    # ------------------------------------------------ from examples that are preprocessed already

    def of(self, x: HostArray) -> HostArray:
        """Return the network's answers to examples as it reads them.

        Args:
            x: Examples, (N, *input_shape), preprocessed.

        Returns:
            Values (N,) or (N, O), or logits (N, C).
        """
        outputs = self.network.predict(x)
        flat = self.preprocessing.task == "regression" and self.preprocessing.scalar and outputs.ndim == 2
        return outputs[:, 0] if flat and outputs.shape[1] == 1 else outputs

    def probabilities(self, logits: HostArray) -> HostArray:
        """Return the softmax of logits, or their sigmoid where several labels may hold.

        Args:
            logits: (N, C), as ``predict`` returns them.

        Returns:
            Probabilities, (N, C).
        """
        z = logits.astype(np.float64)
        if self.preprocessing.task == "multilabel":
            chance: HostArray = np.exp(-np.logaddexp(0, -z))
            return chance
        odds = np.exp(z - z.max(axis=1, keepdims=True))
        shares: HostArray = odds / odds.sum(axis=1, keepdims=True)
        return shares

    def codes(self, logits: HostArray) -> HostArray:
        """Return the likeliest classes, or which labels hold.

        Args:
            logits: (N, C), as ``predict`` returns them.

        Returns:
            Class codes, (N,); or 0 and 1, (N, O), where several labels may hold.
        """
        if self.preprocessing.task == "multilabel":
            return (logits > 0).astype(np.int64)
        # an output that stands for no class is never answered
        codes: HostArray = logits[:, : len(self.preprocessing.classes or ()) or None].argmax(axis=1)
        return codes

    def _require_classes(self, method: str) -> None:
        if self.preprocessing.task == "regression":
            raise ArgumentError(
                method,
                expected="called on a model of classes",
                got="a regression",
                fix="call predict, it returns values",
            )

    # ------------------------------------------------ files

    def save(self, path: str | Path, about: dict[str, str] | None = None) -> Path:
        """Write weights and preprocessing as one safetensors file.

        Args:
            path: The file; missing folders are made.
            about: More metadata, as text.

        Returns:
            The path of the file.

        Raises:
            OutputError: If the file cannot be written.
        """
        own = {"preprocessing": self.preprocessing.to_json()}
        return save_weights(self.network, path, own | (about or {}))

    @classmethod
    def load(cls, path: str | Path, network: Network) -> Predictor:
        """Read what ``save`` wrote.

        Args:
            path: The file.
            network: A network of the same layers, with weights or without.

        Returns:
            The model.

        Raises:
            CheckpointError: If the file is missing, damaged, without preprocessing, or belongs to another network.
        """
        preprocessing = cls.read_preprocessing(path)
        loaded = network.load(path)
        if loaded.input_shape != preprocessing.input_shape:
            raise CheckpointError(
                f"weights file {str(path)!r}",
                expected=f"preprocessing for inputs of shape {loaded.input_shape}",
                got=preprocessing.input_shape,
                fix="train and save the model again",
            )
        return cls(loaded, preprocessing)

    @staticmethod
    def read_preprocessing(path: str | Path) -> Preprocessing:
        """Read the preprocessing that a file of weights holds.

        Args:
            path: The file.

        Returns:
            The preprocessing.

        Raises:
            CheckpointError: If the file is missing, damaged, or without preprocessing.
        """
        text = read_metadata(path).get("preprocessing")
        if text is None:
            raise CheckpointError(
                f"weights file {str(path)!r}",
                expected="one with its preprocessing, as run.save(path) writes it",
                got="weights alone",
                fix="use network.load(path), and preprocess by hand",
            )
        try:
            return Preprocessing.from_json(text)
        except DataError as error:
            raise CheckpointError(
                f"weights file {str(path)!r}: {error.argument}", expected=error.expected, got=error.got, fix=error.fix
            ) from error
