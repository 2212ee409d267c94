"""PyTorch's state dictionaries: weights under its names and in its layouts, read and written.

Images are (B, H, W, C) here and (B, C, H, W) there, so what follows a Flatten meets its inputs in another order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from minisgd.checks import as_path, require_kind
from minisgd.errors import ArgumentError, CheckpointError, missing_extra
from minisgd.interop.model import Model, parts_of
from minisgd.nn import Network
from minisgd.nn.freezing import leaves_of
from minisgd.nn.layer import Layer, Leaf
from minisgd.nn.layers.batch_norm import BatchNorm
from minisgd.nn.layers.conv import Conv2d
from minisgd.nn.layers.conv_transpose import ConvTranspose2d
from minisgd.nn.layers.embedding import Embedding, PositionalEmbedding
from minisgd.nn.layers.flatten import Flatten
from minisgd.nn.layers.frozen import FrozenBatchNorm
from minisgd.nn.layers.layer_norm import LayerNorm
from minisgd.nn.layers.linear import Linear
from minisgd.nn.layers.rectifiers import PReLU
from minisgd.nn.layers.rms_norm import RMSNorm
from minisgd.nn.layers.sync_batch_norm import SyncBatchNorm
from minisgd.nn.network import require_network
from minisgd.nn.sequential import Residual, Sequential
from minisgd.nn.tensor_file import read_tensors
from minisgd.nn.weights import with_weights
from minisgd.typing import HostArray, Shape

Axes: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = dict[str, Shape]

_NORM: dict[str, tuple[str, Axes]] = {"gamma": ("weight", (0,)), "beta": ("bias", (0,))}
NAMES: dict[type[Layer], dict[str, tuple[str, Axes]]] = {
    Linear: {"W": ("weight", (1, 0)), "b": ("bias", (0,))},
    Conv2d: {"W": ("weight", (3, 2, 0, 1)), "b": ("bias", (0,))},
    ConvTranspose2d: {"W": ("weight", (0, 3, 1, 2)), "b": ("bias", (0,))},
    **dict.fromkeys(
        (BatchNorm, SyncBatchNorm, FrozenBatchNorm),
        _NORM | {"running_mean": ("running_mean", (0,)), "running_var": ("running_var", (0,))},
    ),
    LayerNorm: _NORM,
    RMSNorm: _NORM,
    PReLU: {"a": ("weight", (0,))},
    Embedding: {"W": ("weight", (0, 1))},
    PositionalEmbedding: {"P": ("weight", (0, 1))},  # nn.Embedding(T, D) of 0 … T−1
}
"""By layer and attribute: PyTorch's name, and which of our axes is each of its axes."""


def from_torch(
    source: Mapping[str, Any] | str | Path, network: Network, *, input_shape: Shape | None = None
) -> Network:
    """Return a copy of a network with the weights of a PyTorch model: the same outputs in evaluation.

    Modules are found by their names, where these are the network's own ("0.weight", "2.weight" of ``nn.Sequential``);
    else each layer takes the first module left that has its tensors, by name and shape. ``nn.MultiheadAttention`` is
    ``ms.Attention``, ``nn.TransformerEncoderLayer(norm_first=True, activation="gelu")`` is ``ms.TransformerBlock``.

    Args:
        source: ``model.state_dict()``, arrays by name, or a safetensors file, F16 and BF16 among them.
        network: The same layers.
        input_shape: The shape of one example; a network with weights knows its own.

    Returns:
        A network with weights, float64 if a tensor is.

    Raises:
        CheckpointError: If the tensors do not fit the layers, or the file is damaged.
        ArgumentError: If the shape of an example is not known, or a layer is not PyTorch's.
    """
    require_network(network)
    where = "state_dict" if isinstance(source, Mapping) else f"weights file {str(source)!r}"
    tensors = source if isinstance(source, Mapping) else read_tensors(as_path(source, "source"), where)[0]
    shape = network.input_shape if input_shape is None else input_shape
    if shape is None:
        fix = "pass the shape of one example: input_shape=(28, 28, 1)"
        raise ArgumentError("input_shape", expected="given for a network without shapes", got=None, fix=fix)
    slots, modules = _slots(network, shape), _modules(tensors)
    names = _matched(slots, modules, where, ordered=isinstance(source, Mapping))
    ours = {
        each.name: each.from_torch(_as_array(tensors[modules[module][each.torch][0]]))
        for slot, module in zip(slots, names, strict=True)
        for each in slot.tensors
    }
    return with_weights(network, ours, {"input_shape": json.dumps(list(shape))}, where)


def to_torch(model: Model, *, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the weights as a state dictionary of PyTorch: ``module.load_state_dict(ms.interop.to_torch(net))``.

    Args:
        model: What was trained. What else a run knows, preprocessing and units, is not part of a state dictionary.
        like: ``module.state_dict()``, where its modules have other names than the network's layers.

    Returns:
        Tensors by name.

    Raises:
        ArgumentError: For a network without weights, a stack of replicas, or a layer that is not PyTorch's.
        CheckpointError: If ``like`` belongs to another network.
        MissingExtraError: Without PyTorch.
    """
    with missing_extra("torch", expected="installed", got="no such package", fix="pip install torch"):
        import torch
    return {name: torch.from_numpy(array) for name, array in torch_arrays(model, like=like).items()}


def torch_arrays(model: Model, like: Mapping[str, Any] | None = None) -> dict[str, HostArray]:
    """Return what ``to_torch`` does as arrays, without PyTorch."""
    network, _ = parts_of(model)
    assert network.input_shape is not None
    arrays, slots = network.to_numpy(), _slots(network, network.input_shape)
    if like is None:
        return {
            f"{slot.path}.{each.torch}": each.to_torch(arrays[each.name]) for slot in slots for each in slot.tensors
        }
    modules = _modules(like)
    names = _matched(slots, modules, "like", ordered=True)
    return {
        modules[module][each.torch][0]: each.to_torch(arrays[each.name])
        for slot, module in zip(slots, names, strict=True)
        for each in slot.tensors
    }


# ------------------------------------------------ layouts


@dataclass(frozen=True)
class Tensor:
    """One tensor under both names: ``unfolded`` is its shape here, with the axes of images apart."""

    name: str
    torch: str
    shape: Shape
    unfolded: Shape
    axes: Axes
    torch_shape: Shape

    def to_torch(self, ours: HostArray) -> HostArray:
        """Return the tensor in PyTorch's layout."""
        return np.ascontiguousarray(ours.reshape(self.unfolded).transpose(self.axes).reshape(self.torch_shape))

    def from_torch(self, theirs: HostArray) -> HostArray:
        """Return the tensor in our layout."""
        apart = theirs.reshape([self.unfolded[axis] for axis in self.axes])
        return np.ascontiguousarray(apart.transpose(np.argsort(self.axes)).reshape(self.shape))


@dataclass(frozen=True)
class Slot:
    """A layer with tensors, and the path it has in the network."""

    path: str
    label: str
    tensors: tuple[Tensor, ...]

    @property
    def shapes(self) -> Shapes:
        """The shapes that a module of PyTorch must have, by its names."""
        return {each.torch: each.torch_shape for each in self.tensors}


def _slots(network: Network, input_shape: Shape) -> list[Slot]:
    """Return the layers with tensors in forward order."""
    slots, image, returns = list[Slot](), None, dict(_returning(network, ""))
    before: dict[str, Shape | None] = {}  # each layer, by path: the image whose pixels are its inputs
    for leaf in network.describe(input_shape):
        before[leaf.path] = image
        if isinstance(leaf.layer, Flatten):
            image = _flattened(leaf, image)
        dense = isinstance(leaf.layer, Linear)
        after = before[returns[leaf.path]] if leaf.path in returns else None if dense else image
        declared = leaf.declaration.parameters, leaf.declaration.statistics
        arrays = {name: each.shape for part in declared for name, each in part.items()}
        arrays.pop("running_weight", None)
        if arrays:
            known = NAMES.get(type(leaf.layer), {})
            if not arrays.keys() <= known.keys():
                fix = "merge adapters by network.merged(), or read the weights by network.parameters()"
                expected = f"one that PyTorch has: {', '.join(kind.__name__ for kind in NAMES)}"
                raise ArgumentError(f"layer {leaf.path}", expected=expected, got=leaf.layer.label, fix=fix)
            tensors = [
                _tensor(leaf.path, name, size, *known[name], (image, after) if dense and name == "W" else (after,))
                for name, size in arrays.items()
            ]
            slots.append(Slot(leaf.path, leaf.layer.label, tuple(tensors)))
        image = after
    return slots


def _returning(chain: Sequential, path: str) -> Iterator[tuple[str, str]]:
    """Yield of each short cut the dense layer whose outputs must have the order of its inputs, and its first layer."""
    for position, layer in enumerate(chain.layers):
        own = chain.path_of(path, position, layer)
        if isinstance(layer, Sequential):
            yield from _returning(layer, own)
        if isinstance(layer, Residual):
            dense = [inner for inner, each in _in_line(layer, own) if isinstance(each, Linear)]
            first, _ = next(leaves_of(layer, own))
            yield from [(each, first) for each in dense[-1:]]


def _in_line(chain: Sequential, path: str) -> Iterator[tuple[str, Layer]]:
    """Yield the layers of a chain that are in no short cut inside it, and their paths."""
    for position, layer in enumerate(chain.layers):
        own = chain.path_of(path, position, layer)
        if not isinstance(layer, Sequential):
            yield own, layer
        elif not isinstance(layer, Residual):
            yield from _in_line(layer, own)


def _flattened(leaf: Leaf, image: Shape | None) -> Shape | None:
    """Return the image whose pixels a vector is from here on, (H, W, C), where their order differs in PyTorch."""
    x, y = leaf.x[1:], leaf.declaration.y[1:]
    if len(x) == 3 and len(y) == 1:
        return x if x[2] > 1 and x[0] * x[1] > 1 else image
    for shape in (x, y):
        if len(shape) == 3 and shape[2] > 1 and x != y:
            expected, fix = "one that keeps the order of pixels in PyTorch too", "map the weights yourself"
            raise ArgumentError(f"layer {leaf.path}", expected=expected, got=leaf.layer.label, fix=fix)
    return image


def _tensor(path: str, name: str, shape: Shape, torch: str, axes: Axes, images: tuple[Shape | None, ...]) -> Tensor:
    """images: of each of the first axes, that whose pixels (H, W, C) it is: they are (C, H, W) in PyTorch"""
    of_axis = dict(enumerate(images))
    parts = [image if (image := of_axis.get(k)) and prod(image) == n else (n,) for k, n in enumerate(shape)]
    starts = [sum(map(len, parts[:k])) for k in range(len(parts))]
    apart = tuple(starts[k] + inner for k in axes for inner in ((2, 0, 1) if len(parts[k]) == 3 else (0,)))
    unfolded = tuple(n for part in parts for n in part)
    return Tensor(f"{path}.{name}", torch, shape, unfolded, apart, tuple(shape[axis] for axis in axes))


# ------------------------------------------------ names


def _modules(tensors: Mapping[str, Any]) -> dict[str, dict[str, tuple[str, Shape]]]:
    """Return by module and name of its tensor the full name and the shape."""
    require_kind(tensors, Mapping, "state_dict", "tensors by name", "pass model.state_dict()")
    modules: dict[str, dict[str, tuple[str, Shape]]] = {}
    for full, tensor in tensors.items():
        module, _, name = str(full).replace("in_proj_", "in_proj.").rpartition(".")
        if name != "num_batches_tracked":
            modules.setdefault(module, {})[name] = full, tuple(np.shape(tensor))
    return modules


def _matched(
    slots: list[Slot], modules: Mapping[str, dict[str, tuple[str, Shape]]], where: str, *, ordered: bool
) -> list[str]:
    """Return the module of every layer. ordered: whether modules come in the order in which they were made"""
    left = {name: {each: shape for each, (_, shape) in tensors.items()} for name, tensors in modules.items()}
    by_name = left.keys() == {slot.path for slot in slots}
    if not ordered and not by_name:
        left = {name: left[name] for name in sorted(left, key=_naturally)}
        _require_order(left, where)
    found = []
    for slot in slots:
        fitting = [
            name for name, shapes in left.items() if shapes == slot.shapes and (not by_name or name == slot.path)
        ]
        if not fitting:
            raise _unlike(where, f"a module for layer {slot.path}, {slot.label}: {_listed([slot.shapes])}", left)
        found.append(fitting[0])
        left.pop(fitting[0])
    if left:
        raise _unlike(where, f"{len(slots)} modules for the network's layers", left)
    return found


def _require_order(modules: Mapping[str, Shapes], where: str) -> None:
    """Refuse modules of the same shapes whose names do not tell which comes first: a file keeps no order."""
    kinds: dict[str, set[str]] = {}
    for name, shapes in modules.items():
        kinds.setdefault(str(sorted(shapes.items())), set()).add(re.sub(r"\d+", "#", name))
    for names in kinds.values():
        if len(names) > 1:
            raise CheckpointError(
                where,
                expected="one whose names tell the order of modules with the same shapes",
                got=f"names like {', '.join(sorted(names))}",
                fix="pass model.state_dict() instead, or give the layers those names: ms.Linear(…, name=…)",
            )


def _naturally(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _unlike(where: str, expected: str, left: Mapping[str, Shapes]) -> CheckpointError:
    got = _listed(left.values(), left) if left else "none"
    return CheckpointError(
        where, expected=f"weights with {expected}", got=f"these left over: {got}", fix="check the layers' sizes"
    )


def _listed(shapes: Iterable[Shapes], names: Iterable[str] = ("",)) -> str:
    each = [
        f"{name} ".lstrip() + " ".join(f"{tensor} {shape}" for tensor, shape in tensors.items())
        for name, tensors in zip(names, shapes, strict=True)
    ]
    return "; ".join(each[:6]) + (f"; and {len(each) - 6} more" if len(each) > 6 else "")


def _as_array(value: Any) -> HostArray:
    """Return a tensor of PyTorch or an array as an array; NumPy has no bfloat16, so short floats become float32."""
    if not hasattr(value, "detach"):
        return np.asarray(value)
    tensor = value.detach().cpu()
    array: HostArray = (tensor if str(tensor.dtype) == "torch.float64" else tensor.float()).numpy()
    return array
