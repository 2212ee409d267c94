"""Padded sequences: attention at the positions that count is that of the sequences without padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.backend.cuda.cupy_ops import CupyOps
from tests.nn.layer_bench import Bench, TextbookOps

OPS = [ms.Network(ms.Linear(1)).build((1,)).ops, TextbookOps()]


def layers(causal: bool) -> list[ms.Layer]:
    embedding = ms.Embedding(7, 8, padding=0, init=ms.init.Normal(1.0))
    return [embedding, ms.TransformerBlock(8, 2, causal=causal, padding=True), ms.Attention(8, 2, padding=True)]


@pytest.mark.parametrize("ops", OPS, ids=["tuned", "textbook"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("T", "length"), [(9, 5), (40, 21)])
def test_padding_changes_nothing_before_it(ops: Any, causal: bool, T: int, length: int) -> None:
    rng = np.random.default_rng(0)
    padded, short = (Bench(layers(causal), (t,), 3, ops=ops.apart()) for t in (T, length))
    padded.network.vector[...] = short.network.vector[...] = rng.normal(0, 0.5, short.network.vector.shape)
    padded.x[...] = padded.target[...] = 0
    short.x[...] = padded.x[:, :length] = rng.integers(1, 7, short.x.shape)
    short.target[...] = padded.target[:, :length] = rng.normal(size=short.target.shape)
    found, expected = padded.results(), short.results()
    assert_allclose(found["z"][:, :length], expected["z"], rtol=1e-12, atol=1e-14)
    assert_allclose(found["gradient"], expected["gradient"], rtol=1e-10, atol=1e-12)
    assert_array_equal(padded.network.layers[0].dW[0], 0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("ops", OPS, ids=["tuned", "textbook"])
def test_gradients_of_every_length_in_a_batch(ops: Any) -> None:
    rng = np.random.default_rng(1)
    bench = Bench(layers(False), (6,), 3, ops=ops.apart())
    bench.network.vector[...] = rng.normal(0, 0.5, bench.network.vector.shape)
    bench.x[...] = np.where(np.arange(6) < [[6], [2], [0]], rng.integers(1, 7, (3, 6)), 0)
    bench.target[...] = rng.normal(size=bench.target.shape)
    gradient, w = bench.results()["gradient"], bench.network.vector
    for k in rng.choice(w.size, 40, replace=False):
        values = []
        for step in (1e-6, -1e-6):
            w[k] += step
            bench.forward()
            values.append(float(bench.loss.value))
            w[k] -= step
        assert_allclose(gradient[k], (values[0] - values[1]) / 2e-6, rtol=1e-6, atol=1e-8)


def test_training_and_prediction_on_padded_texts() -> None:
    lexicon = ms.text.Lexicon.fit(["cat dog", "dog cow cat"], form="sequences", length=5)
    x = lexicon.apply(["cat dog", "dog cow cat", "cow", "dog"] * 8)
    data = ms.Dataset.from_arrays(x, np.array([0, 1, 1, 0] * 8), validation=None, scale=1.0)
    parts = [ms.Embedding(lexicon.vocabulary, 8, padding=0), ms.TransformerBlock(8, 2, padding=True), ms.Flatten()]
    run = ms.train(ms.Network(*parts, ms.Linear(2)), data, optimizer=ms.Adam(0.01), epochs=20, seed=0, batch_size=7)
    assert run.network.predict(x).argmax(1).tolist() == [0, 1, 1, 0] * 8


def test_a_padding_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(ms.ArgumentError, match=r"padding must be a token from 0 to 2, got 3"):
        ms.Embedding(3, 2, padding=3)


def test_padding_that_nobody_found_is_refused() -> None:
    with pytest.raises(ms.ArgumentError, match=r"Attention: padding must be False, got True; begin with ms\.Embedding"):
        ms.Network(ms.Linear(4), ms.Attention(4, 2, padding=True))


@pytest.mark.parametrize("ops", OPS, ids=["tuned", "textbook"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("causal", [False, True])
def test_no_score_is_low_enough_for_padding_to_be_read(ops: Any, dtype: str, causal: bool) -> None:
    """Words score −10⁶ among themselves and 0 with padding; who sees nothing but padding reads 0."""
    words, padding = [1e3, 0, -1e3, 0, 1, 2], [0, 0, 0, 0, 7, 7]
    parts = [ms.Embedding(2, 6, padding=0), ms.ScaledDotProduct(1, causal=causal, padding=True)]
    bench = Bench(parts, (3,), 3, ops=ops.apart(), dtype=dtype)
    bench.network.vector[...] = np.ravel([padding, words])
    bench.x[...] = [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    bench.target[...] = 1
    found = bench.results()
    read = [[1, 1, 1], [0 if causal else 1, 1, 1], [0, 0, 0]]
    assert_allclose(found["z"], np.array(read)[..., None] * [1.0, 2.0], rtol=1e-6)
    assert np.isfinite(found["gradient"]).all()
    assert_array_equal(found["gradient"].reshape(2, 6)[0, 4:], 0)


@pytest.mark.parametrize("causal", [False, True])
def test_padding_on_a_gpu(causal: bool, fake_cupy: Any) -> None:
    rng = np.random.default_rng(0)
    host, device = (
        Bench(layers(causal), (9,), 3, seeds=[0, 1], largest=4, ops=ops) for ops in (TextbookOps(), CupyOps())
    )
    host.fill(rng)
    host.x[...] = np.where(np.arange(9) < [[9], [2], [0]], rng.integers(0, 7, (3, 9)), 0)
    device.take_from(host)
    expected, found = host.results(), device.results()
    for name in ("z", "gradient"):
        assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-11)
