"""What the families share: sizes of arrays, distances between their rows, and refusals."""

from __future__ import annotations

from minisgd.errors import ShapeError
from minisgd.typing import Array, Shape


def blocks(elements: int, per_block: int) -> int:
    """Return how many blocks cover the elements."""
    return -(-elements // per_block)


def stride(array: Array | None, axis: int) -> int:
    """Return the distance between neighbours along an axis, in elements; 0 where it repeats one, and without an array.

    CuPy and NumPy both leave the stride of an axis of length 1 undefined, and it is never used.
    """
    return 0 if array is None else int(array.strides[axis]) // array.itemsize


def halves(workspace: Array, elements: int, argument: str) -> tuple[Array, Array]:
    """Return two halves of the first elements of a workspace."""
    if workspace.size < elements:
        expected = f"at least {elements} elements"
        raise ShapeError(argument, expected=expected, got=workspace.shape, fix="size it with workspace()")
    flat = workspace.reshape(-1)
    return flat[: elements // 2], flat[elements // 2 : elements]


def require_shape(array: Array, argument: str, expected: Shape) -> None:
    """Refuse an array of another shape."""
    if array.shape != expected:
        raise ShapeError(argument, expected=f"of shape {expected}", got=array.shape, fix="check the operands")


def require_rows(array: Array, argument: str) -> None:
    """Refuse an array whose rows are not contiguous: kernels walk along the last axis element by element."""
    if array.shape[-1] > 1 and stride(array, -1) != 1:
        got, fix = f"shape {array.shape} with strides {array.strides}", "copy it into a contiguous buffer first"
        raise ShapeError(argument, expected="contiguous along the last axis", got=got, fix=fix)


def require_dense_replicas(array: Array, argument: str) -> None:
    """Refuse an array (R, …) of which a replica is not contiguous; replicas may lie any distance apart."""
    if not array[0].flags.c_contiguous:
        got, fix = f"strides {array.strides}", "copy it into a contiguous buffer first"
        raise ShapeError(argument, expected="contiguous within a replica", got=got, fix=fix)


def require_int32(elements: int, argument: str) -> None:
    """Refuse an array whose elements a kernel could not number in 32 bits, which it divides far faster than 64."""
    if elements >= 2**31:
        raise ShapeError(argument, expected="of fewer than 2³¹ elements", got=elements, fix="use a smaller batch")


def power_of_two(n: int) -> int:
    """Return the smallest power of two that is not below n."""
    return 1 << (n - 1).bit_length()
