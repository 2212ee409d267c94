"""Views: the same memory under another shape. Nothing here copies."""

from __future__ import annotations

from minisgd.typing import Array, Shape


def reshaped(x: Array, shape: Shape) -> Array:
    """Return x under another shape, as a view.

    A copy would silently cut the array off from the recorded program, so it is an internal error.
    """
    y: Array = x.reshape(shape)
    if y.base is None or (y.base is not x and y.base is not x.base):
        raise RuntimeError(f"reshaping {x.shape} with strides {x.strides} to {shape} would copy")
    return y


def rows(x: Array, lead: Shape) -> Array:
    """Return x (…, B, H, W, C) as a matrix of channels, (…, B·H·W, C); x itself if it is one."""
    return x if x.ndim == len(lead) + 2 else reshaped(x, (*lead, -1, x.shape[-1]))


def transpose(x: Array) -> Array:
    """Return xᵀ.  x (…, M, N)   result (…, N, M)"""
    return x.swapaxes(-1, -2)


def row(view: Array, shape: Shape) -> Array:
    """Return a one-dimensional parameter as a row (…, 1, n), so that it broadcasts over the batch."""
    return view[..., None, :] if len(shape) == 1 else view
