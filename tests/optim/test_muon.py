"""Muon: orthogonal steps, their size, and the agreement with PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.backend import NumpyOps
from minisgd.nn.layout import Layout
from minisgd.optim import AdamW, Muon
from minisgd.optim.muon import orthogonalise
from tests.optim.optimizer_table import LAYOUT, bench, slope


def orthogonal(u: np.ndarray, iterations: int = 5) -> np.ndarray:
    """The iteration of Jordan et al. 2024 on singular values alone, by a decomposition of the matrix."""
    left, s, right = np.linalg.svd(u, full_matrices=False)
    s = s / (np.linalg.norm(u) + 1e-7)
    for _ in range(iterations):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return left * s @ right


@pytest.mark.parametrize("shape", [(3, 5), (2, 4, 4), (4, 1, 6)])
def test_the_iteration_changes_singular_values_only(shape):
    u = np.random.default_rng(0).normal(size=shape)
    x, square = u / (np.linalg.norm(u, axis=(-2, -1), keepdims=True) + 1e-7), (*shape[:-1], shape[-2])
    orthogonalise(NumpyOps(), x, np.empty(shape), np.empty(square), np.empty(square))
    expected = np.stack([orthogonal(one) for one in u.reshape(-1, *shape[-2:])]).reshape(shape)
    assert_allclose(x, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (3, 3, 2, 8)])
def test_thirty_steps_are_the_papers(shape):
    """Momentum, Nesterov's look ahead, decomposition, scale and decay, written a second time with whole matrices."""
    b = bench(Muon(0.02, momentum=0.9, weight_decay=0.1), Layout([("W", shape, "weight")]))
    b.w[:] = np.random.default_rng(1).normal(size=b.w.size)
    w, m = b.w.copy(), np.zeros_like(b.w)
    for t in range(30):
        b.g[:] = slope(b.w, t)
        b.program.replay()
        g = slope(w, t)
        m = 0.9 * m + 0.1 * g
        matrix = (0.1 * g + 0.9 * m).reshape(-1, shape[-1])
        w = (1 - 0.02 * 0.1) * w - 0.02 * 0.2 * np.sqrt(max(matrix.shape)) * orthogonal(matrix).ravel()
    assert_allclose(b.w, w, rtol=1e-7, atol=1e-9)


def test_vectors_are_moved_by_adamw():
    ours, theirs = bench(Muon(0.01, weight_decay=0.1)), bench(AdamW(0.01, weight_decay=0.1))
    for t in range(5):
        for b in (ours, theirs):
            b.g[:] = np.random.default_rng(t).normal(size=LAYOUT.size)
            b.program.replay()
    for segment in LAYOUT:
        same = np.array_equal(segment.view(ours.w), segment.view(theirs.w))
        assert same == (segment.kind != "weight"), segment.name


def test_a_matrix_without_gradient_only_shrinks():
    b = bench(Muon(0.1, weight_decay=0.1), Layout([("W", (4, 3), "weight")]))
    b.w[:] = 1
    b.program.replay()
    assert_allclose(b.w, 0.99, rtol=1e-12)


def test_pytorch_agrees_to_the_precision_of_its_bfloat16():
    torch = pytest.importorskip("torch", reason="torch is the oracle: pip install 'minisgd[peers]'")
    b = bench(Muon(0.02, weight_decay=0.1), Layout([("W", (8, 6), "weight")]))
    b.w[:] = np.random.default_rng(2).normal(size=48)
    parameter = torch.tensor(b.w.reshape(8, 6).T.copy(), requires_grad=True)  # PyTorch has (outputs, inputs)
    reference = torch.optim.Muon([parameter], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    begin = b.w.copy()
    for t in range(3):
        g = np.random.default_rng(t).normal(size=48)
        b.g[:] = g
        b.program.replay()
        parameter.grad = torch.tensor(g.reshape(8, 6).T.copy())
        reference.step()
    moved, expected = b.w - begin, parameter.detach().numpy().T.ravel() - begin
    assert np.linalg.norm(moved - expected) < 0.03 * np.linalg.norm(expected)
