"""An ONNX graph while it is written: one line a node, arrays as constants."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from minisgd.typing import HostArray

OPSET = 19
"""The operators of the graph are those of ONNX's default domain in this version: the first to compare text."""
IR = 9
"""The file format that came with it."""
Value: TypeAlias = str
"""A tensor of the graph, by name."""


class Graph:
    """Nodes and constants in the order in which they were added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.hidden: Value = ""
        """What is added to the scores of positions that are padding, (B, T), once an embedding found them."""

    def add(self, operator: str, *inputs: Value | HostArray | float, **attributes: Any) -> Value:
        """Add a node and return its output. A Python number becomes float32; an array stays what it is."""
        from onnx import helper

        name = f"{operator}_{len(self.nodes)}"
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        self.nodes.append(helper.make_node(operator, names, [name], name, **attributes))
        return name

    def renamed(self, value: Value, name: str) -> Value:
        """Return a value under a name that users of the graph see."""
        from onnx import helper

        self.nodes.append(helper.make_node("Identity", [value], [name], name))
        return name

    def cast(self, x: Value, dtype: str) -> Value:
        """Return x as numbers of another dtype, named as NumPy does."""
        from onnx import helper

        return self.add("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def reshape(self, x: Value, *example: int) -> Value:
        """Return x (B, …) as (B, *example)."""
        return self.add("Reshape", x, np.array([-1, *example]))

    def channels_first(self, x: Value) -> Value:
        """Return images (B, H, W, C) as (B, C, H, W)."""
        return self.add("Transpose", x, perm=[0, 3, 1, 2])

    def channels_last(self, x: Value) -> Value:
        """Return images (B, C, H, W) as (B, H, W, C)."""
        return self.add("Transpose", x, perm=[0, 2, 3, 1])

    def _constant(self, value: HostArray | float) -> Value:
        from onnx import numpy_helper

        array = np.array(value, np.float32) if type(value) in (int, float) else np.ascontiguousarray(value)
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array.reshape(np.shape(value)), name))
        return name
