"""Every loss against PyTorch in float64: each example's loss, their mean, the gradient, weights of examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.nn import L1, BinaryCrossEntropy, Huber, Linear, Loss, MeanSquaredError, SoftmaxCrossEntropy
from tests.nn.layer_bench import Bench
from tests.nn.layer_tables import LOSSES

torch = pytest.importorskip("torch", reason="PyTorch is the second implementation: pip install 'minisgd[peers]'")
F = torch.nn.functional


def losses_in_torch(loss: Loss, z: Any, target: Any) -> Any:
    """Return the loss of every example, (B)."""
    match loss:
        case SoftmaxCrossEntropy():
            return F.cross_entropy(z, target, reduction="none", label_smoothing=loss.label_smoothing)
        case BinaryCrossEntropy():
            return F.binary_cross_entropy_with_logits(z, target, reduction="none").mean(1)
        case MeanSquaredError():
            return F.mse_loss(z, target, reduction="none").mean(1)
        case L1():
            return F.l1_loss(z, target, reduction="none").mean(1)
        case Huber():
            return F.huber_loss(z, target, reduction="none", delta=loss.delta).mean(1)
        case _:
            raise NotImplementedError(f"write what {loss!r} is in PyTorch")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str, weighted: bool) -> None:
    row, rng = LOSSES[name], np.random.default_rng(1)
    bench = Bench([Linear(5)], (4,), 7, loss=row.make(), kind=row.kind, weighted=weighted)
    bench.fill(rng, row.draw)
    found = bench.results()
    z = torch.tensor(found["z"], requires_grad=True)
    each = losses_in_torch(bench.loss, z, torch.tensor(np.array(bench.target)))
    if bench.weight is not None:
        each = each * torch.tensor(np.array(bench.weight))
    each.mean().backward()
    assert_allclose(bench.loss.losses, each.detach(), rtol=1e-12, atol=1e-14)
    assert_allclose(found["value"], each.mean().detach(), rtol=1e-12)
    bench.loss.mean(bench.ops, bench.target)
    assert_allclose(bench.loss.gradient(bench.ops), z.grad, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_large_predictions(name: str, size: float) -> None:
    row, rng = LOSSES[name], np.random.default_rng(2)
    bench = Bench([Linear(5)], (4,), 7, loss=row.make(), kind=row.kind)
    bench.fill(rng, row.draw)
    bench.forward()
    bench.z[...] = rng.choice([-size, 0, size], bench.z.shape)
    bench.loss.mean(bench.ops, bench.target)
    z = torch.tensor(np.array(bench.z), requires_grad=True)
    each = losses_in_torch(bench.loss, z, torch.tensor(np.array(bench.target)))
    each.mean().backward()
    assert_allclose(bench.loss.losses, each.detach(), rtol=1e-12, atol=1e-12)
    assert_allclose(bench.loss.gradient(bench.ops), z.grad, rtol=1e-12, atol=1e-14)
