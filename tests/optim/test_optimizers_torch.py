"""Fifty steps beside torch.optim, in float64, with each other's defaults."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.optim import SGD, Adagrad, Adam, AdamW, RMSProp
from tests.optim.optimizer_table import LAYOUT, bench, slope

torch = pytest.importorskip("torch", reason="torch is the oracle of these tests: pip install 'minisgd[peers]'")

PAIRS = {
    "SGD": (SGD(0.1), "SGD", dict(lr=0.1)),
    "SGD decay": (SGD(0.1, weight_decay=0.05), "SGD", dict(lr=0.1, weight_decay=0.05)),
    "momentum": (SGD(0.05, momentum=0.9), "SGD", dict(lr=0.05, momentum=0.9)),
    "momentum decay": (
        SGD(0.05, momentum=0.9, weight_decay=0.05),
        "SGD",
        dict(lr=0.05, momentum=0.9, weight_decay=0.05),
    ),
    "Nesterov": (
        SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.05),
        "SGD",
        dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.05),
    ),
    "Adagrad": (Adagrad(), "Adagrad", {}),
    "Adagrad decay": (Adagrad(0.1, weight_decay=0.05), "Adagrad", dict(lr=0.1, weight_decay=0.05)),
    "RMSProp": (RMSProp(), "RMSprop", {}),
    "RMSProp momentum": (
        RMSProp(alpha=0.9, momentum=0.5, weight_decay=0.05),
        "RMSprop",
        dict(alpha=0.9, momentum=0.5, weight_decay=0.05),
    ),
    "Adam": (Adam(), "Adam", {}),
    "Adam decay": (
        Adam(0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.05),
        "Adam",
        dict(lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.05),
    ),
    "AdamW": (AdamW(), "AdamW", {}),
    "AdamW decay": (AdamW(0.1, weight_decay=0.5), "AdamW", dict(lr=0.1, weight_decay=0.5)),
}


@pytest.mark.parametrize("ours, name, options", PAIRS.values(), ids=PAIRS.keys())
def test_fifty_steps_agree(ours, name, options):
    b = bench(ours)
    b.w[:] = np.random.default_rng(7).normal(size=LAYOUT.size)
    theirs = [torch.tensor(s.view(b.w).copy(), requires_grad=True) for s in LAYOUT]
    reference = getattr(torch.optim, name)(theirs, **options)
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
