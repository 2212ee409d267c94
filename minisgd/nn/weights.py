"""Weights on disk: safetensors, which opening cannot execute, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minisgd.errors import CheckpointError
from minisgd.files import write_atomically
from minisgd.typing import HostArray

if TYPE_CHECKING:
    from minisgd.nn.network import Network


SETTINGS = "(settings)"
"""How the names of tensors begin that are no weights, but arrays among the settings of layers."""


def save_weights(
    network: Network,
    path: str | Path,
    about: Mapping[str, str] | None = None,
    settings: Mapping[str, HostArray] | None = None,
) -> Path:
    """Write parameters and running statistics by name, with the input shape in the metadata.

    about: more metadata   settings: more tensors, the names of which begin with SETTINGS

    Raises:
        OutputError: If the file cannot be written.
        ArgumentError: If the network has no weights.
    """
    from safetensors.numpy import save

    network.require_built()
    tensors = {
        name: np.ascontiguousarray(network.ops.to_host(array))
        for name, array in (network.parameters() | network.running_statistics()).items()
    }
    scale = network.output_scale
    metadata = {
        "format": "minisgd",
        "input_shape": json.dumps(network.input_shape),
        "input_scale": repr(network.input_scale),
        "classes": json.dumps(network.classes),
        "output_scale": json.dumps(None if scale is None else [array.tolist() for array in scale]),
        **(about or {}),
    }
    return write_atomically(path, save(tensors | dict(settings or {}), metadata=metadata), "path")


def load_weights(network: Network, path: str | Path) -> Network:
    """Return a copy of the network with the weights of a file, on the network's device.

    Raises:
        CheckpointError: If the file is missing, damaged or belongs to another network.
    """
    tensors, about = read_weights(path)
    return with_weights(network, tensors, about, f"weights file {str(path)!r}")


def with_weights(network: Network, tensors: Mapping[str, HostArray], about: Mapping[str, str], where: str) -> Network:
    """Return a copy of the network with weights by name.

    about: the metadata   where: they come from, for messages

    Raises:
        CheckpointError: If they belong to another network.
    """
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(SETTINGS)}
    shape = tuple(json.loads(about["input_shape"])) if "input_shape" in about else network.input_shape
    if shape is None:
        raise CheckpointError(
            where,
            expected="written by minisgd, with the input shape in it",
            got="a file without an input shape",
            fix="call network.build(input_shape) first",
        )
    dtype = "float64" if any(t.dtype == np.float64 for t in tensors.values()) else "float32"
    duplicate = network.copy().build(shape, dtype=dtype, ops=network.ops if network.is_built else None)
    _fill(duplicate, tensors, where)
    duplicate.input_scale = float(about.get("input_scale", "1.0"))
    classes = json.loads(about.get("classes", "null"))
    duplicate.classes = tuple(classes) if classes else None
    duplicate.output_scale = _output_scale(json.loads(about.get("output_scale", "null")), duplicate, where)
    return duplicate


def _output_scale(values: Any, network: Network, where: str) -> tuple[HostArray, HostArray] | None:
    if values is None:
        return None
    try:
        mean, std = (np.array(each, dtype=np.float64) for each in values)
        sound = mean.shape == std.shape == network.output_shape[-1:]
        sound = sound and bool(np.isfinite(mean + std).all() and (std > 0).all())
    except (TypeError, ValueError):
        sound = False
    if not sound:
        raise CheckpointError(
            f"{where}: output_scale",
            expected=f"means and standard deviations of {network.output_shape[-1]} outputs",
            got=values,
            fix="train and save the model again",
        )
    return mean, std


def _fill(network: Network, tensors: dict[str, HostArray], where: str) -> None:
    own = network.parameters() | network.running_statistics()
    if own.keys() != tensors.keys():
        missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
        found = [f"no {', '.join(missing)}"] * bool(missing) + [f"unknown {', '.join(extra)}"] * bool(extra)
        raise CheckpointError(
            where,
            expected=f"a file that holds {', '.join(own)}",
            got=f"one with {' and '.join(found)}",
            fix="load it into the network it was saved from",
        )
    for name, view in own.items():
        if tensors[name].shape != view.shape:
            raise CheckpointError(
                f"{where}: {name}",
                expected=f"of shape {view.shape}",
                got=tensors[name].shape,
                fix="load it into the network it was saved from",
            )
        network.ops.upload(tensors[name].astype(network.dtype), out=view)


def read_weights(path: str | Path) -> tuple[dict[str, HostArray], dict[str, str]]:
    """Return the tensors of a weights file, and what it says about itself.

    Raises:
        CheckpointError: If the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (OSError, SafetensorError) as problem:
        raise CheckpointError(
            f"weights file {str(path)!r}",
            expected="a readable safetensors file",
            got=str(problem),
            fix="check the path; a file that was cut short cannot be repaired",
        ) from problem
