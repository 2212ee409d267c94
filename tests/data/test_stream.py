"""Generators, loaders and other iterables of batches, smaller and larger than the buffer."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms

X = np.random.default_rng(0).standard_normal((70, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
NET = ms.Network(ms.Linear(2))


def chunks():
    for start in range(0, 70, 30):
        yield X[start : start + 30], Y[start : start + 30]


def test_a_generator_trains_as_its_arrays_do():
    runs = [ms.train(NET, data, validation=0.2, epochs=2) for data in (chunks(), (X, Y))]
    assert_array_equal(*(run.network.vector for run in runs))


def test_a_loader_of_pytorch_trains_as_its_arrays_do():
    torch = pytest.importorskip("torch")
    pairs = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    run = ms.train(NET, torch.utils.data.DataLoader(pairs, batch_size=16), epochs=2)
    assert_array_equal(run.network.vector, ms.train(NET, (X, Y), epochs=2).network.vector)


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        ([], "at least one batch"),
        ([X], "batch 0 must be a pair"),
        ([(X, Y, Y)], "got a tuple of 3"),
        ([(X, Y), (X[:, :2], Y)], "batches that fit together"),
    ],
)
def test_what_is_no_batch_is_refused(batches, said):
    with pytest.raises(ms.DataError, match=said):
        ms.train(NET, iter(batches))


def test_a_function_that_yields_nothing_is_refused():
    with pytest.raises(ms.DataError, match="a function that yields batches, got a function that returns int; yield x"):
        ms.train(NET, lambda: 3)


# ------------------------------------------------ larger than the buffer


def seen(data, **settings):
    """Return the features of all training examples in the order in which a training run met them, and the run."""
    met = []

    class Watch(ms.Callback):
        def on_gradient(self, training, index, gradient):
            met.append(training.data.train.x[index[0]].copy())

    run = ms.train(NET, data, callbacks=[Watch()], **settings)
    return np.concatenate(met), run


@pytest.mark.parametrize("batch_size", [7, 10, 1])
@pytest.mark.parametrize("last_batch", ["use", "drop"])
def test_a_stream_in_its_own_order_trains_as_its_arrays_do(batch_size, last_batch):
    settings = {"sampling": "sequential", "batch_size": batch_size, "epochs": 3, "last_batch": last_batch}
    stream, arrays = (ms.train(NET, data, **settings) for data in (ms.Stream(chunks, buffer=20), (X, Y)))
    assert_array_equal(stream.network.vector, arrays.network.vector)
    assert stream.epochs == arrays.epochs and stream.examples == arrays.examples
    assert stream.data.name == "stream in its own order"


def test_every_example_comes_once_an_epoch_in_another_order_from_the_seed():
    stream = ms.Stream(chunks, buffer=24)
    first, run = seen(stream, batch_size=8, epochs=2, seed=1)
    again, _ = seen(stream, batch_size=8, epochs=2, seed=1)
    other, _ = seen(stream, batch_size=8, epochs=2, seed=2)
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    for epoch in (first[:70], first[70:]):
        assert_array_equal(np.sort(epoch, axis=0), np.sort(X, axis=0))
    assert not np.array_equal(first[:70], first[70:]) and not np.array_equal(first[:8], X[:8])
    assert "Run on stream shuffled within 24 examples: finished" in str(run)


def test_updates_in_a_row_are_those_one_by_one():
    """Where the buffer is filled again does not depend on how many updates fit into the response time."""
    runs = [
        ms.train(NET, ms.Stream(chunks, buffer=24), batch_size=3, epochs=4),
        seen(ms.Stream(chunks, buffer=24), batch_size=3, epochs=4)[1],
    ]
    assert_array_equal(*(run.network.vector for run in runs))


def test_a_stream_goes_on_where_it_stopped(tmp_path):
    settings = {"batch_size": 8, "validation": (X, Y), "optimizer": ms.SGD(lr=0.1, momentum=0.9)}
    stream = ms.Stream(chunks, buffer=24)
    whole = ms.train(NET, stream, steps=25, **settings)
    for steps in (2, 4, 9, 13, 20, 25):
        part = ms.train(
            NET, stream, steps=steps, **settings, checkpoint=tmp_path, resume=tmp_path if steps > 2 else None
        )
    assert_array_equal(part.network.vector, whole.network.vector)
    assert [record["step"] for record in part.history][-1] == 25


def test_memory_does_not_grow_with_the_stream():
    """300 chunks, ten times the bound; a quarter of it is what the buffer and one chunk take."""
    rows, bound = 500, 6 << 20
    rng = np.random.default_rng(0)

    def many():
        for _ in range(300):
            x = rng.standard_normal((rows, 100), np.float32)
            yield x, (x[:, 0] > 0).astype(np.int64)

    ms.train(NET, (X, Y), epochs=1)  # what is imported and kept once does not count
    tracemalloc.start()
    run = ms.train(NET, ms.Stream(many, buffer=2000), batch_size=500, epochs=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert run.examples == 300 * rows and run.examples * 400 > 9 * bound
    assert peak < bound


def test_a_generator_serves_one_epoch():
    run = ms.train(NET, ms.Stream(chunks(), buffer=20), batch_size=5)
    assert run.epochs == 1 and run.examples == 70
    with pytest.raises(ms.ArgumentError, match="epochs must be at most 1 for a generator.*the function that makes"):
        ms.train(NET, ms.Stream(chunks(), buffer=20), batch_size=5, epochs=2)
    with pytest.raises(ms.ArgumentError, match="data must be readable again"):
        ms.train(NET, ms.Stream(chunks(), buffer=20), batch_size=5, steps=15)
    with pytest.raises(ms.ArgumentError, match="resume must be left out for a generator"):
        ms.train(NET, ms.Stream(chunks(), buffer=20), batch_size=5, resume="there")


def test_functions_loaders_and_memory_maps_are_sources(tmp_path):
    assert ms.train(NET, chunks, batch_size=7, epochs=1).examples == 70
    torch = pytest.importorskip("torch")
    pairs = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    loader = ms.Stream(torch.utils.data.DataLoader(pairs, batch_size=16), buffer=20)
    assert loader.examples == 70
    run = ms.train(NET, loader, batch_size=7, epochs=2, evaluate_every=0.5)
    assert [round(record["epoch"], 1) for record in run.history] == [0.5, 1, 1.5, 2]


def test_schedules_need_to_know_how_long_an_epoch_is():
    rising = ms.SGD(lr=ms.Cosine(0.1))
    with pytest.raises(ms.ArgumentError, match="nobody knows how long an epoch is.*examples=N"):
        ms.train(NET, ms.Stream(chunks, buffer=20), batch_size=5, epochs=2, optimizer=rising)
    for stream, length in (
        (ms.Stream(chunks, buffer=20, examples=70), {"epochs": 2}),
        (ms.Stream(chunks, buffer=20), {"steps": 28}),
    ):
        settings = {"batch_size": 5, "optimizer": rising, "sampling": "sequential", **length}
        streamed, arrays = (ms.train(NET, data, **settings) for data in (stream, (X, Y)))
        assert_array_equal(streamed.network.vector, arrays.network.vector)


def test_targets_are_read_as_the_first_ones_were():
    """Values by the scale of the head, classes by their names, mixed ones as soft labels."""
    x = np.arange(60, dtype=np.float32).reshape(60, 1) % 7
    parts = [(x[i : i + 12], 5 * x[i : i + 12, 0] + 300) for i in range(0, 60, 12)]
    run = ms.train(
        ms.Network(ms.Linear(1)), ms.Stream(lambda: parts, buffer=24), batch_size=6, epochs=60, validation=parts[0]
    )
    assert_array_equal(np.round(run.predict([[2], [6]])), [310, 330])

    words = [(x[i : i + 12], np.where(x[i : i + 12, 0] > 3, "high", "low")) for i in range(0, 60, 12)]
    named = ms.train(
        NET,
        ms.Stream(lambda: words, buffer=24),
        batch_size=6,
        epochs=40,
        transform=ms.Mixup(0.1),
        optimizer=ms.SGD(lr=0.5),
    )
    assert named.predict_labels([[0.0], [6.0]]).tolist() == ["low", "high"]


@pytest.mark.parametrize(
    ("source", "settings", "said"),
    [
        (chunks, {"batch_size": 11}, r"at most 10, half of the stream's buffer, got 11; .*buffer=22"),
        (chunks, {"batch_size": "full"}, "half of the stream's buffer"),
        (chunks, {"validation": 0.2}, r"validation must be \(x, y\) for a stream"),
        (chunks, {"class_weight": "balanced"}, "class_weight must be left out"),
        (chunks, {"sampling": "replacement"}, "sampling must be 'shuffle' or 'sequential'"),
        (lambda: [(X, Y), (X[:, :2], Y)], {}, r"rows of shape \(3,\)"),
        (lambda: [(X, Y), (X, Y + 1)], {}, "got '2'; mix the source"),
        (lambda: [(X, Y), (X * np.nan, Y)], {}, "finite"),
        (lambda: [(X, Y), (X, Y[:3])], {}, "batch 1 must be a target for each example"),
    ],
)
def test_what_a_stream_cannot_do_is_refused(source, settings, said):
    with pytest.raises(ms.MinisgdError, match=said):
        ms.train(NET, ms.Stream(source, buffer=20), **{"batch_size": 5, "epochs": 2} | settings)


def test_only_training_reads_streams():
    with pytest.raises(ms.DataError, match="only ms.train reads streams"):
        ms.study(NET, ms.Stream(chunks, buffer=20))
