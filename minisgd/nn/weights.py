"""Weights on disk: safetensors, which opening cannot execute, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minisgd.checks import as_path
from minisgd.errors import CheckpointError, ShapeError
from minisgd.files import write_atomically
from minisgd.nn.freezing import NetworkT
from minisgd.nn.tensor_file import as_bytes, read_tensors
from minisgd.typing import HostArray, Shape

if TYPE_CHECKING:
    from minisgd.nn.network import Network


SETTINGS = "(settings)"
"""How the names of tensors begin that are no weights, but arrays among the settings of layers."""


def save_weights(
    network: Network,
    path: str | Path,
    about: Mapping[str, str] | None = None,
    settings: Mapping[str, HostArray] | None = None,
    learned_only: bool = False,
) -> Path:
    """Write parameters and running statistics by name, with the input shape in the metadata.

    about: more metadata   settings: more tensors, the names of which begin with SETTINGS
    learned_only: whether to leave out the parameters of frozen layers

    Raises:
        OutputError: If the file cannot be written.
        ArgumentError: If the network has no weights.
    """
    network.require_built()
    constant = {segment.name for segment in network.statistics_layout if segment.kind == "constant"}
    tensors = {
        name: np.ascontiguousarray(array)
        for name, array in network.to_numpy().items()
        if not (learned_only and name in constant)
    }
    scale = network.output_scale
    metadata = {
        "format": "minisgd",
        "learned_only": json.dumps(learned_only),
        "input_shape": json.dumps(network.input_shape),
        "input_scale": repr(network.input_scale),
        "classes": json.dumps(network.classes),
        "output_scale": json.dumps(None if scale is None else [array.tolist() for array in scale]),
        **(about or {}),
    }
    return write_atomically(path, as_bytes(tensors | dict(settings or {}), metadata), "path")


def load_weights(network: NetworkT, path: str | Path) -> NetworkT:
    """Return a copy of the network with the weights of a file, on the network's device.

    Raises:
        CheckpointError: If the file is missing, damaged or belongs to another network.
    """
    tensors, about = read_weights(path)
    return with_weights(network, tensors, about, f"weights file {str(path)!r}")


def with_weights(network: NetworkT, tensors: Mapping[str, HostArray], about: Mapping[str, str], where: str) -> NetworkT:
    """Return a copy of the network with weights by name: a stack, where they are those of replicas.

    about: the metadata   where: they come from, for messages

    Raises:
        CheckpointError: If they belong to another network.
    """
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(SETTINGS)}
    if about.get("learned_only") == "true" and network.is_built:
        constant = [segment.name for segment in network.statistics_layout if segment.kind == "constant"]
        tensors = {name: network.ops.to_host(network.running_statistics()[name]) for name in constant} | tensors
    # PyTorch's rule, where a file knows of no other
    means = {name.removesuffix("mean"): mean for name, mean in tensors.items() if name.endswith(".running_mean")}
    tensors = {f"{name}weight": np.ones_like(mean) for name, mean in means.items()} | tensors
    own = _said(about, "input_shape", where, "the shape of one example", _is_shape)
    shape = network.input_shape if own is None else tuple(own)
    if shape is None:
        expected, fix = "written by minisgd, with the input shape in it", "call network.build(input_shape) first"
        raise CheckpointError(where, expected=expected, got="a file without an input shape", fix=fix)
    dtype = "float64" if any(t.dtype == np.float64 for t in tensors.values()) else "float32"
    ops = network.ops if network.is_built else None
    try:
        planned = network.copy().shape_only(shape, dtype, ops)  # which takes no memory, whatever the shape
    except ShapeError as error:
        raise CheckpointError(
            f"{where}: input_shape", expected=error.expected, got=error.got, fix="load it into its own network"
        ) from error
    lead = _replicas(planned, tensors)
    _require_alike(planned, tensors, lead, where)
    duplicate = network.copy().build(shape, seeds=range(*lead) if lead else 0, dtype=dtype, ops=ops)
    for name, view in (duplicate.parameters() | duplicate.running_statistics()).items():
        duplicate.ops.upload(tensors[name].astype(dtype), out=view)
    _set_units(duplicate, about, where)
    return duplicate


def _set_units(network: Network, about: Mapping[str, str], where: str) -> None:
    """Let a network know what the metadata say of its inputs and outputs."""
    outputs = network.output_shape[-1]
    scale = _said(about, "input_scale", where, "a positive number", lambda scale: _is_number(scale) and scale > 0)
    network.input_scale = 1.0 if scale is None else float(scale)
    expected = f"at most {outputs} names, each once"
    names = _said(about, "classes", where, expected, lambda names: _are_names(names, outputs))
    network.classes = None if names is None else tuple(names)
    expected = f"means and standard deviations of {outputs} outputs"
    scales = _said(about, "output_scale", where, expected, lambda scales: _are_scales(scales, outputs))
    if scales is not None:
        mean, std = (np.array(each, dtype=np.float64) for each in scales)
        network.output_scale = mean, std


def require_single(network: NetworkT, where: str) -> NetworkT:
    """Return a network that was loaded, or refuse a stack of replicas.

    Raises:
        CheckpointError: If it is a stack.
    """
    if network.lead:
        expected = "the weights of one network"
        fix = "load them with stack = network.load(path), and write one replica: stack.replica(0).save(path)"
        raise CheckpointError(where, expected=expected, got=f"those of a stack of {network.lead[0]} replicas", fix=fix)
    return network


def _said(about: Mapping[str, str], name: str, where: str, expected: str, is_sound: Callable[[Any], bool]) -> Any:
    """Return what the metadata say about one thing, None where they say nothing, or refuse it."""
    if name not in about:
        return None
    try:
        value = json.loads(about[name])
        if value is None or is_sound(value):
            return value
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass
    fix = "train and save the model again"
    raise CheckpointError(f"{where}: {name}", expected=expected, got=about[name], fix=fix)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_shape(shape: Any) -> bool:
    return len(shape) > 0 and all(type(n) is int and 0 < n < 1 << 31 for n in shape)


def _are_names(names: Any, most: int) -> bool:
    return 0 < len(set(names)) == len(names) <= most and all(isinstance(name, str) for name in names)


def _are_scales(scales: Any, outputs: int) -> bool:
    mean, std = scales
    return len(mean) == len(std) == outputs and all(map(_is_number, (*mean, *std))) and all(each > 0 for each in std)


def _replicas(network: Network, tensors: Mapping[str, HostArray]) -> Shape:
    """Return (R,) for tensors of R replicas of the network, () for those of one network."""
    first = next(iter(network.layout), None)
    found: Shape = () if first is None or first.name not in tensors else tensors[first.name].shape
    return found[:1] if first is not None and len(found) == len(first.shape) + 1 and found[0] > 0 else ()


def _require_alike(network: Network, tensors: Mapping[str, HostArray], lead: Shape, where: str) -> None:
    """Refuse tensors that are not the network's by name, shape and kind, and values that are not finite."""
    own = {segment.name: (*lead, *segment.shape) for segment in (*network.layout, *network.statistics_layout)}
    fix = "load it into the network it was saved from"
    if own.keys() != tensors.keys():
        missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
        found = [f"no {', '.join(missing)}"] * bool(missing) + [f"unknown {', '.join(extra)}"] * bool(extra)
        got = f"one with {' and '.join(found)}"
        raise CheckpointError(where, expected=f"a file that holds {', '.join(own)}", got=got, fix=fix)
    for name, shape in own.items():
        tensor, argument = tensors[name], f"{where}: {name}"
        if tensor.shape != shape:
            raise CheckpointError(argument, expected=f"of shape {shape}", got=tensor.shape, fix=fix)
        if tensor.dtype.kind != "f":
            raise CheckpointError(argument, expected="an array of floats", got=f"dtype {tensor.dtype}", fix=fix)
        if not np.isfinite(tensor).all():
            bad = tensor[~np.isfinite(tensor)]
            raise CheckpointError(
                argument,
                expected="finite everywhere",
                got=f"{len(bad):,} of {tensor.size:,} values like {bad[0]}",
                fix="load weights from before the training run diverged",
            )


def read_weights(path: str | Path) -> tuple[dict[str, HostArray], dict[str, str]]:
    """Return the tensors of a weights file, and what it says about itself.

    Raises:
        CheckpointError: If the file is missing or damaged.
    """
    return read_tensors(as_path(path, "path"), f"weights file {str(path)!r}")
