"""What a traced training run looked like inside, step by step: arrays, and the JSON lines they are written as.

Shapes: T traced steps, L layers, S tensors (the parameters of all layers).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from minisgd.errors import DataError
from minisgd.files import write_atomically
from minisgd.tables import Shown
from minisgd.typing import HostArray


@dataclass(frozen=True, eq=False)
class TraceResult(Shown):
    """Norms inside a network while it trained; NaN where a layer has none.

    Attributes:
        every: Updates from one traced step to the next.
        steps: (T,) the number of every traced update, from 1.
        epochs: (T,) passes over the training data by then.
        lr: (T,) learning rates.
        batch_sizes: (T,) examples of the batch.
        layers: (L,) names such as "Linear hidden1".
        tensors: (S,) pairs such as ("Linear hidden1", "W").
        activation: (T, L) norm of an example's output, √(mean_i |y_i|²), before the update.
        dead: (T, L) share of a ReLU's units, or channels, that are zero for all examples of the batch.
        weights: (T, S) |w| before the update.
        gradients: (T, S) |∂L/∂w| before the update, and before clipping.
        updates: (T, S) |Δw| by the update.
    """

    every: int
    steps: HostArray
    epochs: HostArray
    lr: HostArray
    batch_sizes: HostArray
    layers: tuple[str, ...]
    tensors: tuple[tuple[str, str], ...]
    activation: HostArray
    dead: HostArray
    weights: HostArray
    gradients: HostArray
    updates: HostArray

    def __len__(self) -> int:
        """T, how many steps were traced."""
        return len(self.steps)

    @property
    def weight(self) -> HostArray:
        """Norm of all weights of a layer, (T, L)."""
        return self._by_layer(self.weights)

    @property
    def gradient(self) -> HostArray:
        """Norm of the gradient with respect to a layer's weights, (T, L)."""
        return self._by_layer(self.gradients)

    @property
    def update(self) -> HostArray:
        """Norm of a layer's update, (T, L)."""
        return self._by_layer(self.updates)

    @property
    def ratio(self) -> HostArray:
        """Update-to-weight ratio |Δw|/|w| of a layer, (T, L); NaN where all its weights are zero."""
        weight = self.weight
        return np.asarray(np.divide(self.update, weight, out=np.full_like(weight, np.nan), where=weight > 0))

    @property
    def step_norm(self) -> HostArray:
        """Norm of the whole update |Δw|, (T,)."""
        return np.asarray(np.sqrt(np.square(self.updates).sum(axis=1)))

    @property
    def step_ratio(self) -> HostArray:
        """Norm of the whole update divided by that of all weights, |Δw|/|w|, (T,)."""
        weight = np.sqrt(np.square(self.weights).sum(axis=1))
        return np.asarray(np.divide(self.step_norm, weight, out=np.full_like(weight, np.nan), where=weight > 0))

    def _by_layer(self, norms: HostArray) -> HostArray:
        """Add the tensors of every layer up: √(Σ |w_s|²).  norms (T, S)   result (T, L)"""
        owner = np.array([self.layers.index(layer) for layer, _ in self.tensors], dtype=int)
        result = np.full((len(self), len(self.layers)), np.nan)
        for k in set(owner.tolist()):
            result[:, k] = np.sqrt(np.square(norms[:, owner == k]).sum(axis=1))
        return result

    # ------------------------------------------------ for one line of a step

    def norms(self, layer: str, array: str) -> HostArray | None:
        """Return the norms of an array of a layer; None where it was not traced.

        Args:
            layer: A name among ``layers``.
            array: "y", or "d" and the name of a parameter: "dW".

        Returns:
            (T,) norms.
        """
        if array == "y" and layer in self.layers:
            return np.asarray(self.activation[:, self.layers.index(layer)])
        if (layer, array.removeprefix("d")) in self.tensors and array.startswith("d"):
            return np.asarray(self.gradients[:, self.tensors.index((layer, array.removeprefix("d")))])
        return None

    def dead_units(self, layer: str) -> HostArray | None:
        """Return the shares of dead units of a ReLU; None for other layers.

        Args:
            layer: A name among ``layers``.

        Returns:
            (T,) shares.
        """
        if layer not in self.layers or np.isnan(found := self.dead[:, self.layers.index(layer)]).all():
            return None
        return np.asarray(found)

    # ------------------------------------------------ files

    def to_dict(self) -> dict[str, Any]:
        """Return the arrays as lists, those of layers by name; what is not finite is None."""
        by_layer = self._of_layers()
        layers = {
            layer: {what: [_finite(x) for x in norms[:, k]] for what, norms in by_layer.items()}
            for k, layer in enumerate(self.layers)
        }
        steps = {name: getattr(self, name).tolist() for name in ("steps", "epochs", "lr", "batch_sizes")}
        return {"every": self.every, **steps, "layers": layers}

    def _of_layers(self) -> dict[str, HostArray]:
        """Return what is known of layers, each (T, L)."""
        return {what: getattr(self, what) for what in ("activation", "gradient", "update", "weight", "ratio", "dead")}

    def to_jsonl(self) -> str:
        """Return a JSON document a step, one to a line; what is not finite is null."""
        by_layer = self._of_layers()
        return "".join(json.dumps(self._record(t, by_layer), ensure_ascii=False) + "\n" for t in range(len(self)))

    def _record(self, t: int, by_layer: dict[str, HostArray]) -> dict[str, Any]:
        """Return a step as plain values, layers and their tensors by name."""
        layers: dict[str, dict[str, Any]] = {
            name: {what: _finite(norms[t, k]) for what, norms in by_layer.items()} | {"tensors": {}}
            for k, name in enumerate(self.layers)
        }
        by_tensor = {"gradient": self.gradients, "update": self.updates, "weight": self.weights}
        for s, (layer, name) in enumerate(self.tensors):
            layers[layer]["tensors"][name] = {what: _finite(norms[t, s]) for what, norms in by_tensor.items()}
        return {
            "step": int(self.steps[t]),
            "epoch": float(self.epochs[t]),
            "lr": _finite(self.lr[t]),
            "batch_size": int(self.batch_sizes[t]),
            "every": self.every,
            "layers": layers,
        }

    def save(self, path: str | Path) -> Path:
        """Write the JSON lines, all of them or none.

        Args:
            path: The file; missing folders are made.

        Returns:
            The path of the file.

        Raises:
            OutputError: If the file cannot be written.
        """
        return write_atomically(path, self.to_jsonl().encode(), "path")

    @classmethod
    def load(cls, path: str | Path) -> TraceResult:
        """Read what ``save`` wrote.

        Args:
            path: The file.

        Returns:
            The trace.

        Raises:
            DataError: For a file that is missing, damaged or of another kind.
        """
        try:
            records = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
            return _from_records(records)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as problem:
            raise DataError(
                f"trace {str(path)!r}",
                expected="a file with the JSON lines of a trace",
                got=problem.strerror if isinstance(problem, OSError) else f"{type(problem).__name__}: {problem}",
                fix="write one with trace.result.save(path), or minisgd probe trace --out DIR",
            ) from problem


def _from_records(records: list[dict[str, Any]]) -> TraceResult:
    layers = tuple(records[0]["layers"])
    tensors = tuple((layer, name) for layer in layers for name in records[0]["layers"][layer]["tensors"])

    def of_layers(what: str) -> HostArray:
        return np.array([[record["layers"][layer][what] for layer in layers] for record in records], dtype=float)

    def of_tensors(what: str) -> HostArray:
        rows = [[record["layers"][layer]["tensors"][name][what] for layer, name in tensors] for record in records]
        return np.array(rows, dtype=float).reshape(len(records), len(tensors))

    def of_steps(what: str, dtype: type) -> HostArray:
        return np.array([record[what] for record in records], dtype=dtype)

    return TraceResult(
        every=int(records[0]["every"]),
        steps=of_steps("step", int),
        epochs=of_steps("epoch", float),
        lr=of_steps("lr", float),
        batch_sizes=of_steps("batch_size", int),
        layers=layers,
        tensors=tensors,
        activation=of_layers("activation"),
        dead=of_layers("dead"),
        weights=of_tensors("weight"),
        gradients=of_tensors("gradient"),
        updates=of_tensors("update"),
    )


def _finite(value: Any) -> float | None:
    return float(value) if isfinite(value) else None
