"""Cutting a product into pieces changes nothing but its speed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minisgd.backend import NumpyOps
from minisgd.backend.cpu import products
from minisgd.backend.cpu.products import MOST, MULTIPLICATIONS, RESULTS_OF_TRANSPOSED, Operands, pieces
from minisgd.typing import HostArray

BATCHES = (2, 3, 8, 17, 31, 32, 33, 64, 257)
WEIGHTS = ((784, 256), (256, 784), (100, 3072), (3072, 100), (511, 513), (1030, 1000), (300, 129))
FORMS = ("x W", "xᵀ dy", "dy Wᵀ")


@pytest.fixture(autouse=True)
def reads_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every BLAS pass for one that products are cut for."""
    monkeypatch.setattr(products, "reads_in_place", lambda: True)


def operands(
    form: str, batch: int, weights: tuple[int, int], lead: tuple[int, ...] = ()
) -> tuple[HostArray, HostArray]:
    """Return the operands of one of a dense layer's three products."""
    rng = np.random.default_rng(0)
    inner, outer = weights
    x = rng.standard_normal((*lead, batch, inner), dtype=np.float32)
    W = rng.standard_normal((*lead, inner, outer), dtype=np.float32)
    dy = rng.standard_normal((*lead, batch, outer), dtype=np.float32)
    if form == "x W":
        return x, W
    return (x.swapaxes(-1, -2), dy) if form == "xᵀ dy" else (dy, W.swapaxes(-1, -2))


def product(a: HostArray, b: HostArray) -> HostArray:
    out = np.full((*a.shape[:-1], b.shape[-1]), np.nan, a.dtype)
    NumpyOps().matmul(a, b, out=out)
    return out


def cut_pieces(a: HostArray, b: HostArray) -> list[Operands]:
    """Return the operands of every piece of a product."""
    found = pieces(a, b, np.empty((a.shape[0], b.shape[1]), a.dtype))
    return [piece.at(k) for piece in found for k in range(len(piece))]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_pieces_make_the_whole_product(form: str, weights: tuple[int, int]) -> None:
    for batch in BATCHES:
        a, b = operands(form, batch, weights)
        exact = a.astype(np.float64) @ b.astype(np.float64)
        assert_allclose(product(a, b), exact, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_a_stack_is_its_replicas_bit_for_bit(form: str) -> None:
    a, b = operands(form, 16, (784, 256), lead=(3,))
    stacked = product(a, b)
    for r in range(3):
        assert_array_equal(stacked[r], product(a[r], b[r]))


def test_a_batch_shared_by_all_replicas() -> None:
    a, b = operands("x W", 16, (784, 256), lead=(3,))
    out = np.empty((3, 16, 256), np.float32)
    NumpyOps().matmul(a[0], b, out=out)
    assert_array_equal(out[2], product(a[0], b[2]))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch", [8, 100, 250])
def test_pieces_are_below_the_limits(form: str, batch: int) -> None:
    a, b = operands(form, batch, (784, 256))
    cut = cut_pieces(a, b)
    assert 1 < len(cut) <= MOST
    for left, right, out in cut:
        assert out.size * left.shape[-1] <= MULTIPLICATIONS
        assert form != "dy Wᵀ" or out.size <= RESULTS_OF_TRANSPOSED
        assert right.base is not None, "a view, no copy"


def test_pieces_are_about_equal() -> None:
    a, b = operands("x W", 17, (2000, 64))
    rows = [len(out) for _, _, out in cut_pieces(a, b)]
    assert rows == [4, 4, 4, 4, 1]
    a, b = operands("x W", 52, (256, 128))
    assert [len(out) for _, _, out in cut_pieces(a, b)] == [28, 24, 28, 24]


@pytest.mark.parametrize(
    ("batch", "dtype"), [(1, np.float32), (20_000, np.float32), (8, np.float64), (100, np.float64)], ids=str
)
def test_other_products_stay_whole(batch: int, dtype: type) -> None:
    for form in FORMS:
        a, b = (operand.astype(dtype, order="K") for operand in operands(form, batch, (784, 256)))
        assert len(cut_pieces(a, b)) == 1


def test_a_blas_that_packs_everything_gets_whole_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "reads_in_place", lambda: False)
    for form in FORMS:
        a, b = operands(form, 8, (784, 256))
        assert len(cut_pieces(a, b)) == 1


@pytest.mark.parametrize(("architecture", "expected"), [("SkylakeX", True), ("Haswell", False), (None, False)])
def test_which_blas_reads_in_place(architecture: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = {"user_api": "blas"} | ({} if architecture is None else {"architecture": architecture})
    monkeypatch.setattr(products, "blas_info", lambda: [found])
    products.reads_in_place.cache_clear()
    try:
        assert products.reads_in_place() is expected
    finally:
        products.reads_in_place.cache_clear()
