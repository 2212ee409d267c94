"""Fifty steps beside torch.optim, in float64, with each other's defaults."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.optim import Muon
from tests.optim.optimizer_table import LAYOUT, ROWS, bench, slope

torch = pytest.importorskip("torch", reason="torch is the oracle of these tests: pip install 'minisgd[peers]'")


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.torch])
def test_fifty_steps_agree(name):
    row = ROWS[name]
    b = bench(row.optimizer)
    b.w[:] = np.random.default_rng(7).normal(size=LAYOUT.size)
    theirs = [torch.tensor(s.view(b.w).copy(), requires_grad=True) for s in LAYOUT]
    reference = getattr(torch.optim, row.torch)(theirs, **row.options)
    for t in range(50):
        flat = np.concatenate([p.detach().numpy().ravel() for p in theirs])
        gradient = slope(flat, t)
        for segment, p in zip(LAYOUT, theirs, strict=True):
            p.grad = torch.tensor(segment.view(gradient).copy())
        reference.step()
        b.g[:] = slope(b.w, t)
        b.program.replay()
    for segment, p in zip(LAYOUT, theirs, strict=True):
        assert_allclose(segment.view(b.w), p.detach().numpy(), rtol=1e-9, atol=1e-13)


COMPARED_ELSEWHERE = (Muon,)
"""PyTorch's takes matrices only, and computes in bfloat16: test_muon.py compares the two."""


def test_what_pytorch_has_is_compared_with_it():
    for name, row in ROWS.items():
        if isinstance(row.optimizer, COMPARED_ELSEWHERE):
            continue
        namesake = type(row.optimizer).__name__.lower() in map(str.lower, dir(torch.optim))
        assert bool(row.torch) == namesake, f"{name} lacks its evidence"
