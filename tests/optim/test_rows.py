"""Row-sparse embeddings: the dense update to the bit where that is the rule, and PyTorch's SparseAdam."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.training.prepare import prepare

V, D, T, N, B = 40, 6, 3, 22, 5
RNG = np.random.default_rng(0)
TOKENS, LABELS = RNG.integers(0, V // 2, (N, T)), RNG.integers(0, 3, N)


def network(sparse: bool) -> ms.Network:
    first = ms.Embedding(V, D, sparse=sparse, init=ms.init.Normal(1.0), name="words")
    return ms.Network(first, ms.Flatten(), ms.Linear(3, name="out"))


def session(sparse: bool, optimizer: ms.Optimizer, **options: Any) -> Any:
    data = ms.Dataset.from_arrays(TOKENS, LABELS, validation=None, scale=1.0)
    options = {"batch_size": B, "dtype": "float64"} | options
    return prepare(network(sparse), data, optimizer, **options).session(sampling="sequential")


@pytest.mark.parametrize("options", [{}, {"seeds": [1, 2]}, {"clip_norm": 0.5}, {"batch_size": "full"}], ids=str)
@pytest.mark.parametrize("optimizer", [ms.SGD(0.3), ms.Adagrad(0.3), ms.SGD(ms.StepDecay(0.3, every=1))], ids=repr)
def test_the_dense_update_to_the_bit(optimizer: ms.Optimizer, options: dict[str, Any]) -> None:
    """Over two epochs, each with a short batch at its end."""
    dense, sparse = (session(each, optimizer, **options) for each in (False, True))
    for _ in range(10):
        for each in (dense, sparse):
            each.step()
        assert_array_equal(sparse.network.vector, dense.network.vector)
    assert not sparse.network.layout.segments[0].view(sparse.gradient).any()


def test_many_updates_in_a_row_are_the_same() -> None:
    one, many = session(True, ms.Adam(0.1)), session(True, ms.Adam(0.1))
    for _ in range(12):
        one.step()
    while many.steps < 12:
        many.advance(lambda: many.steps >= 12)
    assert_array_equal(many.network.vector, one.network.vector)


def test_who_looks_between_gradient_and_update_sees_all_of_it() -> None:
    dense, sparse = session(False, ms.Adam(0.1)), session(True, ms.Adam(0.1))
    for _ in range(8):
        dense.network.vector[...] = sparse.network.vector
        expected = dense.compute_gradient(dense.sampler.next(B))
        sparse.step(lambda index, gradient, expected=expected: assert_array_equal(gradient, expected))


def test_a_row_that_no_token_names_keeps_value_and_state() -> None:
    each = session(True, ms.Adam(0.1, groups={"out.*": ms.Group(lr_factor=2, weight_decay=0.1)}))
    before = each.network.to_numpy()["words.W"]
    for _ in range(10):
        each.step()
    after, state = each.network.to_numpy()["words.W"], each.state()["arrays"]
    assert_array_equal(after[V // 2 :], before[V // 2 :])
    assert np.all(np.abs(after[np.unique(TOKENS)] - before[np.unique(TOKENS)]).max(1) > 0)
    for name in ("optimizer.m", "optimizer.v"):
        assert not state[name][0][: V * D].reshape(V, D)[V // 2 :].any()


@pytest.mark.parametrize("name", ["SGD", "SparseAdam"])
def test_pytorch_moves_the_same_rows(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the second implementation: pip install 'minisgd[peers]'")
    optimizer: ms.Optimizer = ms.SGD(0.3) if name == "SGD" else ms.Adam(0.1, betas=(0.8, 0.95), eps=1e-15)
    ours = session(True, optimizer)
    arrays = {key: torch.tensor(value, requires_grad=True) for key, value in ours.network.to_numpy().items()}
    W, rest = arrays.pop("words.W"), list(arrays.values())
    if name == "SGD":
        theirs = [torch.optim.SGD([W, *rest], lr=0.3)]
    else:
        options = {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-15}  # SparseAdam's ε is not that of Adam
        theirs = [torch.optim.SparseAdam([W], **options), torch.optim.Adam(rest, **options)]
    for step in range(10):
        some = slice(step % 5 * B, min(N, (step % 5 + 1) * B))
        x = torch.nn.functional.embedding(torch.tensor(TOKENS[some]), W, sparse=True).flatten(1)
        loss = torch.nn.functional.cross_entropy(x @ arrays["out.W"] + arrays["out.b"], torch.tensor(LABELS[some]))
        for each in theirs:
            each.zero_grad()
        loss.backward()
        for each in theirs:
            each.step()
        ours.step()
        found = ours.network.to_numpy()
        assert_allclose(found["words.W"], W.detach(), rtol=1e-9, atol=1e-9)
        assert_allclose(found["out.W"], arrays["out.W"].detach(), rtol=1e-9, atol=1e-9)


def test_a_run_goes_on_where_it_stopped(tmp_path: Any) -> None:
    options: dict[str, Any] = {"optimizer": ms.SGD(0.1, momentum=0.9), "batch_size": B, "validation": 0.2, "seed": 0}
    whole = ms.train(network(True), (TOKENS, LABELS), epochs=4, **options)
    ms.train(network(True), (TOKENS, LABELS), epochs=2, checkpoint=tmp_path / "c", **options)
    resumed = ms.train(network(True), (TOKENS, LABELS), epochs=4, resume=tmp_path / "c", **options)
    assert_array_equal(resumed.network.vector, whole.network.vector)


def test_memory_grows_with_the_rows() -> None:
    plans = [ms.memory_plan(network(each), (T,), B, ms.Adam(0.1)) for each in (False, True)]
    assert plans[1].bytes - plans[0].bytes == pytest.approx(4 * B * T * D * 4, abs=64 * 8)


def test_other_layers_and_instruments_know_nothing_of_it() -> None:
    nets = [network(each).build((T,), dtype="float64") for each in (False, True)]
    each = [ms.per_example_gradients(net, TOKENS, LABELS) for net in nets]
    assert_array_equal(each[1], each[0])
    assert repr(nets[1].layers[0]) == f"Embedding({V}, {D}, sparse=True, name='words')"


@pytest.mark.parametrize(
    ("optimizer", "options", "words"),
    [
        (ms.RMSProp(), {}, "optimizer must be SGD, Adagrad or Adam with a sparse embedding, got RMSProp"),
        (ms.Muon(weight_decay=0.0), {}, "got Muon"),
        (ms.LAMB(0.1), {}, r"got LAMB; .* leave out sparse=True of words\.W"),
        (ms.SGD(0.1, weight_decay=0.1), {}, r"weight_decay must be 0 for words\.W, .* got 0\.1; .* ms\.Group\(weight"),
        (ms.AdamW(), {}, r"weight_decay must be 0 for words\.W"),
        (ms.Adam(groups={"words.*": ms.Group(weight_decay=0.1)}), {}, r"weight_decay must be 0 for words\.W"),
        (
            ms.SGD(0.1),
            {"micro_batch": 2},
            "batch must be in one piece, .* got micro-batches or shards; leave",
        ),
    ],
)
def test_what_needs_all_rows_is_refused(optimizer: ms.Optimizer, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ms.ArgumentError, match=words):
        ms.train(network(True), (TOKENS, LABELS), optimizer=optimizer, batch_size=B, epochs=1, **options)
    free = replace(optimizer, groups={"words.*": ms.Group(weight_decay=0)})
    if optimizer.by_rows and not options:
        ms.train(network(True), (TOKENS, LABELS), optimizer=free, batch_size=B, epochs=1)


@pytest.mark.parametrize("seeds", [0, [1, 2]])
def test_the_kernels_move_the_same_rows(seeds: Any, fake_cupy: Any) -> None:
    optimizer = ms.Adam(0.1)
    host, device = session(True, optimizer, seeds=seeds), session(True, optimizer, seeds=seeds, device="cuda")
    for each in (host, device):
        while each.steps < 12:
            each.advance(lambda each=each: each.steps >= 12)
    assert_allclose(device.ops.to_host(device.network.vector), host.network.vector, rtol=1e-9, atol=1e-11)
