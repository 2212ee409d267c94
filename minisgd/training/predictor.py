"""A trained model that can be used: raw examples in, values, probabilities or labels out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minisgd.checks import as_path
from minisgd.data.preprocessing import Preprocessing
from minisgd.data.preprocessing_text import read_preprocessing, written
from minisgd.errors import ArgumentError, CheckpointError, DataError, MinisgdError
from minisgd.nn import Loss, Network
from minisgd.nn.architecture import described, rebuilt
from minisgd.nn.weights import SETTINGS, read_weights, require_single, save_weights, with_weights
from minisgd.packing import pack, unpack
from minisgd.typing import HostArray

VERSION = 1
"""Of how the architecture is written."""


@dataclass(frozen=True)
class Predictor:
    """A network, and the preprocessing of the data that it was trained on.

    Attributes:
        network: The trained network.
        preprocessing: What turns raw examples into what it reads.
        loss: The loss that was minimised, if one was.
    """

    network: Network
    preprocessing: Preprocessing
    loss: Loss | None = None

    def predict(self, raw: Any) -> HostArray:
        """Return what the network answers for raw examples.

        Args:
            raw: Examples as they were before training: an array (N, …), a list of rows or of texts, a data frame, or
                the path of a table or a .npy file. Columns may stand in any order, and others may be there.

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
            logits: (N, C), or (N, T, C) of sequences, as ``predict`` returns them.

        Returns:
            Probabilities, like the logits.
        """
        z = logits.astype(np.float64)
        if self.preprocessing.task == "multilabel":
            chance: HostArray = np.exp(-np.logaddexp(0, -z))
            return chance
        odds = np.exp(z - z.max(axis=-1, keepdims=True))
        shares: HostArray = odds / odds.sum(axis=-1, keepdims=True)
        return shares

    def codes(self, logits: HostArray) -> HostArray:
        """Return the likeliest classes, or which labels hold.

        Args:
            logits: (N, C), or (N, T, C) of sequences, as ``predict`` returns them.

        Returns:
            Class codes, (N,) or (N, T); or 0 and 1, (N, O), where several labels may hold.
        """
        if self.preprocessing.task == "multilabel":
            return (logits > 0).astype(np.int64)
        # an output that stands for no class is never answered
        codes: HostArray = logits[..., : len(self.preprocessing.classes or ()) or None].argmax(axis=-1)
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

    def save(self, path: str | Path) -> Path:
        """Write the model as one safetensors file: layers, weights, preprocessing, loss. ``ms.load_model`` reads it.

        Args:
            path: The file, its name ending in .safetensors; or a folder, for a file weights.safetensors in it.

        Returns:
            The path of the file.

        Raises:
            OutputError: If the file cannot be written.
            ArgumentError: If a layer of one's own does not keep an argument of its constructor.
        """
        tensors: dict[str, HostArray] = {}
        parts = {"version": VERSION, "network": described(self.network), "loss": described(self.loss)}
        architecture = json.dumps(pack(parts, tensors, SETTINGS), allow_nan=False)
        about = {"architecture": architecture, "preprocessing": written(self.preprocessing)}
        return save_weights(self.network, model_file(path), about, tensors)


def load_model(path: str | Path, *, allow: Any = ()) -> Predictor:
    """Read a trained model that ``run.save`` wrote, without the code that made it.

    No code comes from the file: a layer of one's own is made by the class that ``allow`` names.

    Args:
        path: The file, or its folder.
        allow: The classes and functions of one's own that the network is made of, as objects, or as names
            ``FILE.py:NAME`` or ``module:NAME``, whose code is then run.

    Returns:
        The model; its ``network`` and ``loss`` can be trained further.

    Raises:
        CheckpointError: If the file is missing, damaged, without its architecture, or made of classes not allowed.
        ArgumentError: If what is allowed cannot be imported.
    """
    file = model_file(path)
    where = f"weights file {str(file)!r}"
    tensors, about = read_weights(file)
    try:
        preprocessing = read_preprocessing(_required(about, "preprocessing"))
        network, loss = _parts(_required(about, "architecture"), tensors, allow)
    except (CheckpointError, DataError) as error:
        raise CheckpointError(
            f"{where}: {error.argument}", expected=error.expected, got=error.got, fix=error.fix
        ) from error
    loaded = require_single(with_weights(network, tensors, about, where), where)
    if loaded.input_shape != preprocessing.input_shape:
        raise CheckpointError(
            where,
            expected=f"preprocessing for inputs of shape {loaded.input_shape}",
            got=preprocessing.input_shape,
            fix="train and save the model again",
        )
    return Predictor(loaded, preprocessing, loss)


def _required(about: Mapping[str, str], name: str) -> str:
    if name not in about:
        raise CheckpointError(
            name,
            expected="in the file, as run.save(path) writes it",
            got="weights alone",
            fix="load them with network.load(path) into a network of the same layers",
        )
    return about[name]


def _parts(text: str, tensors: Mapping[str, HostArray], allow: Any) -> tuple[Network, Loss | None]:
    """Return the network and the loss that a file describes."""
    try:
        document = unpack(json.loads(text), tensors)
        if document["version"] != VERSION:
            fix = "read it with the minisgd that wrote it"
            raise CheckpointError("architecture", expected=f"of version {VERSION}", got=document["version"], fix=fix)
        network, loss = rebuilt(document["network"], allow), rebuilt(document["loss"], allow)
    except MinisgdError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(f"{type(error).__name__}: {error}") from error
    if not isinstance(network, Network) or not isinstance(loss, Loss | None):
        raise _damaged(f"{type(network).__name__} and {type(loss).__name__}")
    return network, loss


def _damaged(got: str) -> CheckpointError:
    return CheckpointError("architecture", expected="as minisgd writes it", got=got, fix="save the model again")


def model_file(path: str | Path) -> Path:
    """Return the file of a model: the path itself, or weights.safetensors in the folder that it is."""
    path = as_path(path, "path")
    return path if path.suffix == ".safetensors" or path.is_file() else path / "weights.safetensors"
