"""Embeddings: rows that are looked up and added to, and inputs that are no tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from tests.nn.layer_bench import Bench

RNG = np.random.default_rng(0)
TOKENS = RNG.integers(0, 9, (60, 5))
LABELS = (TOKENS == 3).any(1).astype(int)


@pytest.mark.parametrize("seeds", [0, [1, 2]])
def test_a_row_that_no_token_names_has_no_gradient(seeds: Any) -> None:
    bench = Bench([ms.Embedding(9, 4)], (5,), 6, seeds=seeds, largest=8)
    bench.fill(RNG)
    bench.x[...] = RNG.integers(2, 6, bench.x.shape)
    found = bench.results()
    gradient = found["gradient"].reshape(*bench.lead, 9, 4)
    for r in np.ndindex(bench.lead):
        expected = np.zeros((9, 4))
        np.add.at(expected, bench.x[r].astype(int), bench.target[r] / 6)
        assert_allclose(gradient[r], expected, rtol=1e-12, atol=1e-15)
    assert not found["dx"].any()


def test_a_word_is_learned_wherever_it_stands() -> None:
    net = ms.Network(ms.Embedding(9, 8), ms.PositionalEmbedding(), ms.Flatten(), ms.Linear(16), ms.SiLU(), ms.Linear(2))
    run = ms.train(net, (TOKENS, LABELS), optimizer=ms.Adam(lr=0.02), epochs=60, validation=0.2)
    assert run.history["train_loss"][-1] < 0.05
    assert_array_equal(run.network.predict(TOKENS).shape, (60, 2))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (TOKENS - 1, "integers from 0 to 8, got values from -1 to 7"),
        (TOKENS + 2, "got values from 2 to 10; number the tokens from 0, or make the vocabulary 11"),
        (TOKENS + 0.5, "integers from 0 to 8"),
        (TOKENS.astype(np.uint8), "read as they are, got bytes that are multiplied by 0.125"),
    ],
)
def test_what_is_no_token(x: Any, words: str) -> None:
    net = ms.Network(ms.Embedding(9, 2, name="words"), ms.Flatten(), ms.Linear(2))
    with pytest.raises(ms.DataError, match=f"Embedding 'words': tokens must be .*{words}"):
        ms.train(net, (x, LABELS))
    if x.dtype != np.uint8:
        with pytest.raises(ms.DataError, match=words):
            net.build((5,)).predict(x)


def test_bytes_may_be_tokens() -> None:
    net = ms.Network(ms.Embedding(9, 2), ms.Flatten(), ms.Linear(2))
    data = ms.Dataset.from_arrays(TOKENS.astype(np.uint8), LABELS, scale=1.0)
    run = ms.train(net, data, steps=2)
    assert_array_equal(run.network.predict(TOKENS.astype(np.uint8)), run.network.predict(TOKENS))


def test_refusals() -> None:
    with pytest.raises(ms.ArgumentError, match="Embedding: vocabulary"):
        ms.Embedding(0, 2)
    with pytest.raises(ms.ArgumentError, match="at most 16777216"):
        ms.Embedding(1 << 25, 2)
    with pytest.raises(ms.ShapeError, match=r"PositionalEmbedding: x must be sequences \(B, T, D\), got \(B, 5\)"):
        ms.Network(ms.PositionalEmbedding()).build((5,))
    assert repr(ms.Embedding(9, 2, name="words")) == "Embedding(9, 2, name='words')"
