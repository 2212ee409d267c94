"""Multi-head attention: against PyTorch's module, its memory, what causality hides, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.backend import Arena, Plan
from minisgd.nn.layers.attention import ScaledDotProduct
from tests.nn.layer_bench import Bench, TextbookOps

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("causal", [False, True])
def test_multi_head_attention_of_pytorch(causal: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the second implementation: pip install 'minisgd[peers]'")
    bench = Bench([ms.Attention(6, 3, causal=causal)], (5, 6), 4)
    bench.fill(RNG)
    found, named = bench.results(), bench.network.parameters()
    theirs = torch.nn.MultiheadAttention(6, 3, batch_first=True, dtype=torch.float64)
    pairs = {"0.0.W": theirs.in_proj_weight, "0.0.b": theirs.in_proj_bias}
    pairs |= {"0.2.W": theirs.out_proj.weight, "0.2.b": theirs.out_proj.bias}
    with torch.no_grad():
        for name, tensor in pairs.items():
            tensor.copy_(torch.tensor(named[name].T.copy()))
    x = torch.tensor(np.array(bench.x), requires_grad=True)
    hidden = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1) if causal else None
    y, _ = theirs(x, x, x, attn_mask=hidden)
    ((y * torch.tensor(np.array(bench.target))).sum() / 4).backward()
    assert_allclose(found["z"], y.detach(), rtol=1e-9, atol=1e-12)
    assert_allclose(found["dx"], x.grad, rtol=1e-9, atol=1e-12)
    for segment in bench.network.layout:
        assert_allclose(segment.view(found["gradient"]), pairs[segment.name].grad.numpy().T, rtol=1e-9, atol=1e-12)


def test_no_position_reads_from_the_future() -> None:
    net = ms.Network(ms.Attention(4, 2, causal=True)).build((6, 4), dtype="float64")
    x = RNG.normal(size=(3, 6, 4))
    y = net.predict(x)
    changed = x.copy()
    changed[:, 4:] = 1e3
    assert_array_equal(net.predict(changed)[:, :4], y[:, :4])
    assert (net.predict(changed)[:, 4:] != y[:, 4:]).all()


def bytes_of_a_step(t: int, ops: object = None) -> int:
    bench = Bench([ScaledDotProduct(2)], (t, 12), 2, dtype="float32", ops=ops)  # type: ignore[arg-type]
    own = [r for r in bench.binder_used.requests() if r.key != "batch.x"]
    assert isinstance(bench.arena, Arena)
    return Plan(own).bytes()


def test_memory_grows_with_the_length_and_not_with_its_square() -> None:
    """The textbook keeps a probability for every pair of positions."""
    lengths = np.array([2048, 4096, 8192])
    tuned = np.array([bytes_of_a_step(int(t)) for t in lengths])
    assert_allclose(tuned[1:] / tuned[:-1], 2, rtol=0.01)
    textbook = [bytes_of_a_step(t, TextbookOps()) for t in (512, 1024)]
    assert textbook[1] > 3.8 * textbook[0]


def test_large_scores_do_not_overflow() -> None:
    for ops in (None, TextbookOps()):
        bench = Bench([ScaledDotProduct(1, causal=True)], (5, 6), 2, dtype="float32", ops=ops)
        bench.fill(RNG)
        bench.x[...] *= 1e4
        assert all(np.isfinite(array).all() for array in bench.results().values())


def test_refusals() -> None:
    with pytest.raises(ms.ArgumentError, match="Attention 'a': heads must be a divisor of 6 features, got 4"):
        ms.Attention(6, 4, name="a")
    with pytest.raises(ms.ArgumentError, match="Attention: features"):
        ms.Attention(0, 4)
    with pytest.raises(ms.ShapeError, match=r"ScaledDotProduct: x must be queries, keys and values \(B, T, 3·D\)"):
        ms.Network(ms.Attention(6, 2)).build((7,))
    assert repr(ms.Attention(6, 2, causal=True)) == "Attention(6, 2, causal=True)"


def test_a_transformer_trains_on_digits_by_name() -> None:
    data = ms.datasets.digits(images=True, seed=0).subset(300)
    run = ms.train(ms.model("transformer:16,2,1", (8, 8, 1), 10), data, optimizer=ms.Adam(lr=0.01), epochs=12, seed=0)
    assert run.evaluate()["accuracy"] > 0.85
