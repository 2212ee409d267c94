"""The GPU: the same vocabulary through CuPy. The only file that imports cupy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minisgd.backend.ops import Operand, Ops
from minisgd.errors import MissingExtraError
from minisgd.typing import Array, HostArray


def _import_cupy() -> Any:
    try:
        import cupy
        import cupyx.scipy.special  # noqa: F401  (erf lives there)
    except ImportError as error:
        raise MissingExtraError(
            "device 'cuda'",
            expected="usable through CuPy",
            got=str(error),
            fix="pip install 'minisgd[cuda12]' or 'minisgd[cuda13]', whichever nvidia-smi names, or device='cpu'",
        ) from error
    return cupy


class CupyOps(Ops):
    """Array operations in the memory of a CUDA device."""

    device = "cuda"

    def __init__(self) -> None:
        self.cupy = _import_cupy()
        super().__init__(self.cupy)

    def to_host(self, array: Array) -> HostArray:
        host: HostArray = self.cupy.asnumpy(array)
        return host

    def address(self, array: Array) -> int:
        return int(array.data.ptr)  # type: ignore[attr-defined]

    def elementwise(self, op: str, *operands: Operand, out: Array) -> None:
        self.run(op, getattr(self.xp, op), (*operands, out), operands, out)

    def max(self, a: Array, axis: int, *, out: Array, keepdims: bool = False) -> None:
        # CuPy's ufuncs reduce by addition and multiplication only
        self.run("max", self.xp.amax, (a, axis, out, keepdims), (a,), out)

    def argmax(self, a: Array, axis: int, *, out: Array) -> None:
        self.run("argmax", self.xp.argmax, (a, axis, None, out), (a,), out)  # its third argument is a dtype

    def take(self, a: Array, index: Array, *, out: Array) -> None:
        self.run("take", self.xp.take, (a, index, 0, out), (a, index), out)

    def dot(self, a: Array, b: Array, *, out: Array) -> None:
        def inner(a: Array, b: Array, out: Array) -> None:
            self.xp.sum(a * b, axis=-1, out=out)

        self.run("dot", inner, (a, b, out), (a, b), out)

    def erf(self, a: Array, *, out: Array) -> None:
        import cupyx.scipy.special

        self.run("erf", cupyx.scipy.special.erf, (a, out), (a,), out)

    def uniform(self, seeds: Sequence[int], clock: Array, stream: int, *, out: Array) -> None:
        def draw(clock: Array, out: Array) -> None:
            # drawn on the host until a kernel draws the same numbers in place
            from minisgd.backend.numpy_ops import NumpyOps

            numbers = np.empty(out.shape, out.dtype)
            NumpyOps().uniform(seeds, np.asarray(int(clock)), stream, out=numbers)
            out.set(numbers)  # type: ignore[attr-defined]

        self.run("uniform", draw, (clock, out), (clock,), out)

    def synchronize(self) -> None:
        self.cupy.cuda.get_current_stream().synchronize()
