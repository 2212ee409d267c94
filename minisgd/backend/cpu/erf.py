"""The error function, which NumPy lacks, from array calls alone.

For z ≥ 0 and t = 2 / (2 + z), erfc(z) = t · exp(−z² + g(2t − 1)) with g smooth on [−1, 1]. Its Chebyshev
coefficients below were computed by interpolation at 160 nodes in 40-digit arithmetic; Clenshaw's recurrence
sums them. Absolute error below 3e-16 in float64.
"""

from __future__ import annotations

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

_CHUNK = 2048
"""Elements worked on at a time, so that the five temporaries stay in the first-level cache."""


def erf_into(a: HostArray, out: HostArray) -> None:
    """out = erf(a), any shape and any strides; NaN stays NaN."""
    chunks = np.nditer(
        [a, out],
        flags=["external_loop", "buffered", "delay_bufalloc", "zerosize_ok"],
        op_flags=[["readonly"], ["writeonly"]],
        buffersize=_CHUNK,
    )
    with chunks:
        chunks.reset()
        for part, result in chunks:
            _erf_chunk(part, result)


def _erf_chunk(a: HostArray, out: HostArray) -> None:
    z = np.abs(a)
    t = 2 / (2 + z)
    y = 4 * t - 2  # twice the Chebyshev argument, as Clenshaw wants it
    terms = _TERMS_FLOAT32 if a.dtype == np.float32 else len(_COEFFICIENTS)
    b, b_next = np.zeros_like(z), np.zeros_like(z)
    for c in _COEFFICIENTS[terms - 1 : 0 : -1]:
        b, b_next = y * b - b_next + c, b
    g = 0.5 * y * b - b_next + _COEFFICIENTS[0]
    np.copysign(1 - t * np.exp(g - np.minimum(z, 40) * np.minimum(z, 40)), a, out=out)
