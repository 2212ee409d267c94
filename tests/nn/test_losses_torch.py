"""Every loss against PyTorch in float64: each example's loss, their mean, the gradient, weights of examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minisgd.nn import (
    L1,
    BinaryCrossEntropy,
    Energy,
    Huber,
    Linear,
    Loss,
    MeanSquaredError,
    SoftmaxCrossEntropy,
    TokenCrossEntropy,
)
from tests.nn.layer_bench import Bench
from tests.nn.layer_tables import LOSSES

torch = pytest.importorskip("torch", reason="PyTorch is the second implementation: pip install 'minisgd[peers]'")
F = torch.nn.functional


def losses_in_torch(loss: Loss, z: Any, target: Any) -> Any:
    """Return the loss of every example, (B)."""
    match loss:
        case TokenCrossEntropy():
            t, counts = target.clamp(min=-1), (target >= 0).reshape(len(z), -1).sum(1)
            z = z.movedim(-1, 1)
            each = F.cross_entropy(z, t, ignore_index=-1, reduction="none", label_smoothing=loss.label_smoothing)
            return each.reshape(len(z), -1).sum(1) / counts.clamp(min=1)
        case SoftmaxCrossEntropy():
            return F.cross_entropy(z, target, reduction="none", label_smoothing=loss.label_smoothing)
        case BinaryCrossEntropy():
            return F.binary_cross_entropy_with_logits(z, target, reduction="none").mean(1)
        case MeanSquaredError():
            return F.mse_loss(z, target, reduction="none").mean(1)
        case Energy():
            return z.flatten(1).sum(1)
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


@pytest.mark.parametrize("seeds", [0, [1, 2]])
@pytest.mark.parametrize("shape", [(6, 4), (3, 2, 4)])
def test_cross_entropy_of_positions(shape: Any, seeds: Any) -> None:
    row = LOSSES["TokenCrossEntropy"]
    bench = Bench([Linear(5)], shape, 7, loss=row.make(), kind=row.kind, weighted=True, seeds=seeds)
    bench.fill(np.random.default_rng(1), row.draw)
    bench.target[..., 0, :] = -1  # an example without a position that counts
    bench.forward()
    dz = np.array(bench.loss.gradient(bench.ops))
    for r in np.ndindex(bench.lead):
        z = torch.tensor(np.array(bench.z[r]), requires_grad=True)
        each = losses_in_torch(bench.loss, z, torch.tensor(np.array(bench.target[r])))
        each = each * torch.tensor(np.array(bench.weight[r]))
        each.mean().backward()
        assert_allclose(bench.loss.losses[r], each.detach(), rtol=1e-12, atol=1e-14)
        assert_allclose(dz[r], z.grad, rtol=1e-12, atol=1e-14)


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
