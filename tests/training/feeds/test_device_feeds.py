"""Wherever the data set is, training sees the same batches, and the plan knows their memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms
from minisgd.training.feeds.device_feeds import ResidentFeed, StreamedFeed
from minisgd.training.feeds.feed import Feed
from minisgd.training.prepare import prepare
from minisgd.training.session import Session

RNG = np.random.default_rng(0)
N = 70


def dataset(kind: str, folder: Path) -> ms.Dataset:
    floats, labels = RNG.standard_normal((N, 5)), np.arange(N) % 3
    if kind == "bytes":
        bytes_ = RNG.integers(0, 256, (N, 4, 4, 1)).astype(np.uint8)
        return ms.Dataset.from_arrays(bytes_, labels, validation=0.3, scale=1 / 255)
    if kind == "memory-mapped":
        np.save(folder / "x.npy", floats)
        return ms.Dataset.from_arrays(np.load(folder / "x.npy", mmap_mode="r"), labels, validation=None)
    if kind == "weighted":
        return ms.Dataset.from_arrays(floats, labels, weight=RNG.uniform(0.5, 2, N), validation=None)
    if kind == "values":
        return ms.Dataset.from_arrays(floats, RNG.standard_normal((N, 2)), validation=0.3)
    return ms.Dataset.from_arrays(floats, labels, validation=0.3)


KINDS = ["floats", "bytes", "memory-mapped", "weighted", "values"]


def session_with(kind: type[Feed], data: ms.Dataset, **options: Any) -> Any:
    outputs = 2 if data.task != "classification" else 3
    layers = ms.Flatten(), ms.Linear(6), ms.Tanh(), ms.Linear(outputs)
    prepared = prepare(ms.Network(*layers), data, ms.SGD(lr=0.1, momentum=0.9), **{"batch_size": 16, **options})
    feed = prepared.recipe.feed
    other = kind(feed.spec, feed.dtype, shared=feed.shared, n=len(data))
    prepared = replace(prepared, recipe=replace(prepared.recipe, feed=other))
    evaluator = prepared.evaluator()
    assert evaluator is None or type(evaluator.feed) is kind
    return prepared.session(), evaluator


def after(session: Session, evaluator: Any, steps: int = 9) -> list[Any]:
    for _ in range(steps):
        session.step()
    scores = [] if evaluator is None else [evaluator.score().loss]
    return [session.network.vector, session.take_train_loss(), *scores]


@pytest.mark.parametrize("options", [{}, {"seeds": [0, 1, 1]}, {"micro_batch": 5}, {"batch_size": "full"}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("feed", [ResidentFeed, StreamedFeed])
def test_every_feed_trains_alike_bit_for_bit(feed: Any, kind: str, options: Any, tmp_path: Path) -> None:
    data = dataset(kind, tmp_path)
    for a, b in zip(
        after(*session_with(Feed, data, **options)), after(*session_with(feed, data, **options)), strict=True
    ):
        assert_array_equal(a, b)


@pytest.mark.parametrize("seeds", [[0], [0, 1, 1]], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gathers_a_batch_in_one_launch(fake_cupy: Any, kind: str, seeds: list[int], tmp_path: Path) -> None:
    data, batches = dataset(kind, tmp_path), []
    for device, most in (("cpu", 8), ("cuda", 1)):
        session, _ = session_with(ResidentFeed, data, seeds=seeds, device=device)
        for b in (16, 5):  # the batches of replicas lie apart where they are short
            gather, _, index = session.record_gradient(b)
            assert len(gather) <= (most if kind != "memory-mapped" else 8)
            session.data.choose(session.ops, np.arange(len(seeds) * b).reshape(len(seeds), b) % N, out=index)
            gather.replay()
            views = session.recipe.feed.views(session.arena, b, session.network.lead)
            batches.append({name: session.ops.to_host(view) for name, view in views.items() if name != "raw"})
    for here, there in zip(batches[:2], batches[2:], strict=True):
        for name in here:
            assert_array_equal(there[name], here[name], err_msg=name)


def test_a_resident_set_is_held_once_and_as_it_is_stored(tmp_path: Path) -> None:
    data = dataset("bytes", tmp_path)
    n = len(data)
    (plain, _), (resident, _) = (session_with(feed, data, seeds=[0, 1, 2]) for feed in (Feed, ResidentFeed))
    assert resident.plan.bytes(3) - plain.plan.bytes(3) == n * 16 + n * 8
    assert resident.data.x.dtype == np.uint8 and resident.data.x is not data.train.x


def test_a_streamed_set_takes_two_batches_and_no_indices(tmp_path: Path) -> None:
    data = dataset("bytes", tmp_path)
    (plain, _), (streamed, _) = (session_with(feed, data) for feed in (Feed, StreamedFeed))
    assert streamed.plan.bytes() - plain.plan.bytes() == 2 * 16 * (16 + 8) - 16 * 8


def test_with_replacement_even_the_whole_set_is_drawn_for_each_replica(tmp_path: Path) -> None:
    data = dataset("floats", tmp_path)
    for kind in (ResidentFeed, StreamedFeed):
        feed = kind(
            prepare(ms.Network(ms.Linear(3)), data, ms.SGD(lr=0.1)).recipe.feed.spec, "float32", shared=True, n=9
        )
        duplicate = feed.each_its_own()
        assert type(duplicate) is kind and not duplicate.shared and duplicate.n == 9
