"""Pooling of images, forward and backward, one thread for one number of the result."""

from __future__ import annotations

from collections.abc import Mapping

from minisgd.backend.cuda.kernels.shapes import blocks, require_shape
from minisgd.backend.cuda.launcher import Definition, KernelLibrary, Signature, array, scalar
from minisgd.typing import Array

BLOCK = 256
MACROS = {"BLOCK": BLOCK}


def _definition(name: str, arrays: str) -> Definition:
    sizes = [scalar(s, "int32") for s in "H W C OH OW KH KW SH SW".split()]
    pointers = [array(a, "real") for a in arrays.split()]
    return Definition("pool", Signature(name, (*pointers, scalar("elements", "int32"), *sizes)), (MACROS,))


MAX = _definition("max_pool", "x y")
MAX_DX = _definition("max_pool_dx", "x dy dx")
AVG = _definition("avg_pool", "x y")
AVG_DX = _definition("avg_pool_dx", "dy dx")

DEFINITIONS = (MAX, MAX_DX, AVG, AVG_DX)


class Pool:
    """Pooling with the formulas of `minisgd.MaxPool2d` and `minisgd.AvgPool2d`.

    x, dx (…, H, W, C)   y, dy (…, OH, OW, C), OH = (H − K) / S + 1   kernel, stride (rows, columns)
    The mean of whole images is AvgPool with a kernel of (H, W).
    """

    def __init__(self, library: KernelLibrary, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        self._kernels = {d.name: library.kernel(d, **MACROS) for d in DEFINITIONS}
        self.kernel, self.stride = kernel, stride

    def max(self, x: Array, y: Array) -> None:
        """y = the largest of each window; NaN wins"""
        self._launch("max_pool", y.size, {"x": x}, {"y": y})

    def max_dx(self, x: Array, dy: Array, dx: Array) -> None:
        """dx = dy at the first maximum of each window, 0 elsewhere; windows that overlap add up"""
        self._launch("max_pool_dx", x.size, {"x": x}, {"dy": dy}, {"dx": dx})

    def avg(self, x: Array, y: Array) -> None:
        """y = the mean of each window"""
        self._launch("avg_pool", y.size, {"x": x}, {"y": y})

    def avg_dx(self, dy: Array, dx: Array) -> None:
        """dx = dy / K² in every pixel of the window; windows that overlap add up"""
        self._launch("avg_pool_dx", dx.size, {}, {"dy": dy}, {"dx": dx})

    def _launch(
        self,
        name: str,
        elements: int,
        images: Mapping[str, Array],
        pooled: Mapping[str, Array],
        gradients: Mapping[str, Array] | None = None,
    ) -> None:
        whole = {**images, **(gradients or {})}
        shape = next(iter(whole.values())).shape
        (*lead, H, W, C), (KH, KW), (SH, SW) = shape, self.kernel, self.stride
        OH, OW = (H - KH) // SH + 1, (W - KW) // SW + 1
        for argument, a in whole.items():
            require_shape(a, f"{name}: {argument}", shape)
        for argument, a in pooled.items():
            require_shape(a, f"{name}: {argument}", (*lead, OH, OW, C))
        arrays = (*images.values(), *pooled.values(), *(gradients or {}).values())
        self._kernels[name](
            (blocks(elements, BLOCK), 1, 1), (BLOCK, 1, 1), *arrays, elements, H, W, C, OH, OW, KH, KW, SH, SW
        )
