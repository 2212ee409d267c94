"""The error function, which NumPy lacks, from array calls alone.

For z ≥ 0 and t = 2 / (2 + z), erfc(z) = t · exp(−z² + g(2t − 1)) with g smooth on [−1, 1]. Its Chebyshev
coefficients below were computed by interpolation at 160 nodes in 40-digit arithmetic; Horner's rule sums them as powers
of 2t − 1, which lose nothing between −1 and 1. Absolute error below 4e-16 in float64, 3e-7 in float32. What the
native executor runs in its place, ``ERF`` in ``native/loops.h``, has the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minisgd.typing import HostArray

_COEFFICIENTS = (
    -0.651326859890854717,
    0.64196979235649026,
    0.0194764732041858363,
    -0.00956151478680863164,
    -0.000946595344482036866,
    0.000366839497852761452,
    0.0000425233248069077716,
    -0.0000202785781125342432,
    -1.62429000464702551e-6,
    1.3036558355805232e-6,
    1.56264417220661432e-8,
    -8.52380959149265425e-8,
    6.5290544390988515e-9,
    5.05934349555146894e-9,
    -9.91364156493033087e-10,
    -2.27365122293183586e-10,
    9.6467911020155268e-11,
    2.39403808303911474e-12,
    -6.8860275264975534e-12,
    8.94487927309072572e-13,
    3.13092139934295808e-13,
    -1.12708223613672524e-13,
    3.81090525518923204e-16,
    7.10609761360923697e-15,
    -1.52302820145710428e-15,
    -9.45749457129123712e-17,
)
_TERMS_FLOAT32 = 13
"""The terms that float32 can see: the first one left out is 5e-9."""

_CHUNK_BYTES = 1 << 15
"""What is worked on at a time, so that the four temporaries stay in the second-level cache."""


def _powers(chebyshev: tuple[float, ...]) -> tuple[float, ...]:
    """Return the coefficients of Σ c_k T_k(u) as those of powers of u, by T_{k+1} = 2 u T_k − T_{k−1}."""
    found, before, now = [0.0] * len(chebyshev), {}, {0: 1.0}
    for k, c in enumerate(chebyshev):
        for power, factor in now.items():
            found[power] += c * factor
        rising = {power + 1: (2 if k else 1) * factor for power, factor in now.items()}
        before, now = now, {p: rising.get(p, 0.0) - before.get(p, 0.0) for p in {*rising, *before}}
    return tuple(found)


_POWERS = {"float64": _powers(_COEFFICIENTS), "float32": _powers(_COEFFICIENTS[:_TERMS_FLOAT32])}


def coefficients_of(dtype: np.dtype[Any]) -> tuple[float, ...]:
    """Return the coefficients of g in powers of u, those that a dtype can see, lowest first."""
    return _POWERS[dtype.name]


def erf_into(a: HostArray, out: HostArray) -> None:
    """out = erf(a), any shape and any strides; NaN stays NaN."""
    chunks = np.nditer(
        [a, out],
        flags=["external_loop", "buffered", "delay_bufalloc", "zerosize_ok"],
        op_flags=[["readonly"], ["writeonly"]],
        buffersize=_CHUNK_BYTES // a.itemsize,
    )
    with chunks:
        chunks.reset()
        for part, result in chunks:
            _erf_chunk(part, result)


def _erf_chunk(a: HostArray, out: HostArray) -> None:
    z = np.abs(a)
    t = z + 2
    np.divide(2, t, out=t)
    u = 2 * t
    np.subtract(u, 1, out=u)
    *rest, last = coefficients_of(a.dtype)
    g = np.full_like(u, last)
    for c in reversed(rest):
        np.multiply(g, u, out=g)
        np.add(g, c, out=g)
    np.minimum(z, 40, out=z)  # e^(−1600) is 0, and ∞² − ∞² would be NaN
    np.multiply(z, z, out=z)
    np.subtract(g, z, out=g)
    np.exp(g, out=g)
    np.multiply(g, t, out=g)
    np.subtract(1, g, out=g)
    np.copysign(g, a, out=out)
