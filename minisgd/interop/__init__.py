"""Floor 7: models in the formats of other frameworks, ONNX and PyTorch's state dictionaries.

``import minisgd as ms; ms.interop.to_onnx(run, "model.onnx")``. What another framework brings is imported when it is
asked for.
"""

from __future__ import annotations

from minisgd.interop.onnx import to_onnx
from minisgd.interop.pytorch import from_torch, to_torch

__all__ = ["from_torch", "to_onnx", "to_torch"]
