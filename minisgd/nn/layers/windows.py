"""The geometry of windows that slide over images, which convolution and pooling share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minisgd.checks import is_integer
from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn.layer import Layer
from minisgd.typing import Shape

Pair = tuple[int, int]


def pair(value: object, argument: str, least: int) -> Pair:
    """Return (value, value) for a number and the pair itself for a pair, or refuse the argument."""
    both = value if isinstance(value, tuple) else (value, value)
    if len(both) != 2 or any(not is_integer(v) or v < least for v in both):
        raise ArgumentError(
            argument, expected=f"an integer of at least {least}, or a pair of them", got=value, fix="give one number"
        )
    return int(both[0]), int(both[1])


def padding_of(value: int | Pair | str, kernel: Pair, stride: Pair, argument: str) -> Pair:
    """Return the rows and columns of zeros at each edge; "same" keeps the size of the image."""
    if isinstance(value, str) and value == "same":
        if stride != (1, 1) or any(k % 2 == 0 for k in kernel):
            expected = "a number when the stride is not 1 or the kernel is even"
            raise ArgumentError(argument, expected=expected, got="'same'", fix="give the padding as a number")
        return (kernel[0] // 2, kernel[1] // 2)
    if isinstance(value, str):
        raise ArgumentError(argument, expected="a number or 'same'", got=value, fix="use padding='same'")
    return pair(value, argument, 0)


def require_images(layer: Layer, x: Shape) -> None:
    """Refuse an input that is not a batch of images."""
    layer.require_rank(x, 4, "(B, H, W, C)", "give images with channels last, for example x.reshape(-1, 28, 28, 1)")


def window_counts(layer: Layer, size: Pair, kernel: Pair, stride: Pair) -> Pair:
    """Return (OH, OW), or refuse a kernel larger than the image."""
    if kernel[0] > size[0] or kernel[1] > size[1]:
        expected = f"at most the (padded) image, {size[0]}×{size[1]}"
        fix = "use a smaller kernel, more padding or less pooling before it"
        raise ShapeError(f"{layer.label}: kernel", expected=expected, got=f"{kernel[0]}×{kernel[1]}", fix=fix)
    return ((size[0] - kernel[0]) // stride[0] + 1, (size[1] - kernel[1]) // stride[1] + 1)


def offsets(kernel: Pair) -> Iterator[Pair]:
    """Yield the positions inside a window, row by row."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            yield i, j


def strided(i: int, j: int, stride: Pair, counts: Shape) -> tuple[Any, ...]:
    """Index the pixels that lie at (i, j) of every window of an image (…, H, W, C)."""
    rows_ = slice(i, i + stride[0] * (counts[0] - 1) + 1, stride[0])
    columns = slice(j, j + stride[1] * (counts[1] - 1) + 1, stride[1])
    return (..., rows_, columns, slice(None))
