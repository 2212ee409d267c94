"""What is done to batches: each object by itself, and in training runs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms

RNG = np.random.default_rng
IMAGES = RNG(0).random((6, 5, 5, 1)).astype(np.float32)
LABELS = np.arange(6)


def test_flips_mirror_some():
    x, y = ms.Flip(0.5)(IMAGES.copy(), LABELS, RNG(1))
    mirrored = [(a == b[:, ::-1]).all() for a, b in zip(x, IMAGES, strict=True)]
    same = [(a == b).all() for a, b in zip(x, IMAGES, strict=True)]
    assert any(mirrored) and any(same) and all(a or b for a, b in zip(mirrored, same, strict=True))
    assert_array_equal(ms.Flip(1.0)(IMAGES.copy(), y, RNG(1))[0], IMAGES[:, :, ::-1])


def test_shifts_leave_zeros_and_crops_what_is_mirrored():
    moved, _ = ms.Shift(1)(np.ones_like(IMAGES), LABELS, RNG(0))
    assert set(np.unique(moved)) == {0, 1} and moved.shape == IMAGES.shape
    cut, _ = ms.Crop(2)(np.ones_like(IMAGES), LABELS, RNG(0))
    assert (cut == 1).all()
    seen = {tuple(image.ravel()) for k in range(40) for image in ms.Shift(1)(IMAGES[:1].copy(), LABELS, RNG(k))[0]}
    assert len(seen) == 9


def test_noise_has_its_deviation_and_dtype():
    x, _ = ms.Noise(0.5)(np.zeros((2000, 3), np.float32), LABELS, RNG(0))
    assert x.dtype == np.float32 and abs(x.std() - 0.5) < 0.02


def test_mixup_mixes_features_and_targets_alike():
    y = np.eye(6)
    x, mixed = ms.Mixup(1.0)(y.copy(), y, RNG(0))
    assert_array_equal(x, mixed)
    assert np.allclose(mixed.sum(axis=1), 1) and (mixed.max(axis=1) < 1).any()


@pytest.mark.parametrize("transform", [ms.Flip(), ms.Shift(1), ms.Crop(1)])
def test_images_are_asked_for(transform):
    data = ms.datasets.digits(validation=None)
    with pytest.raises(ms.ShapeError, match="channels last"):
        ms.train(ms.Network(ms.Linear(10)), data, transform=transform, steps=1)


# ------------------------------------------------ in training runs


def train(**options):
    data = ms.datasets.digits(validation=0.2, images=True).subset(200)
    net = ms.Network(ms.Flatten(), ms.Linear(16), ms.ReLU(), ms.Linear(10))
    options = {"batch_size": 32, "epochs": 3, "seed": 3, "optimizer": ms.SGD(lr=0.2)} | options
    return ms.train(net, data, **options)


def test_what_the_network_sees_is_transformed_and_nothing_else():
    seen = []

    def watch(x, y, rng):
        seen.append((x.copy(), y.copy()))
        return np.zeros_like(x), y

    run = train(transform=[watch], epochs=1)
    assert [len(x) for x, _ in seen] == [32] * 6 + [8] and seen[0][0].max() <= 1
    weights = run.network.parameters()["1.W"]
    assert_array_equal(weights, ms.Network(*run.network.layers).build((8, 8, 1), seeds=3).parameters()["1.W"])
    assert run.data.train.x.any()


@pytest.mark.parametrize("options", [{}, {"batch_size": "full"}, {"micro_batch": 10}, {"callbacks": [ms.Callback()]}])
def test_seeds_decide_and_batches_differ(options):
    first, same = (train(transform=[ms.Shift(1), ms.Noise(0.1)], **options) for _ in range(2))
    assert_array_equal(first.network.vector, same.network.vector)
    assert (first.network.vector != train(transform=[ms.Shift(1)], **options).network.vector).any()
    noises = []
    train(transform=lambda x, y, rng: (x, noises.append(rng.random()) or y), **options)
    assert len(set(noises)) == len(noises) > 1


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path):
    options = {"transform": [ms.Crop(1), ms.Mixup()]}
    whole = train(epochs=4, **options)
    train(epochs=2, checkpoint=tmp_path, **options)
    again = train(epochs=4, resume=tmp_path, **options)
    assert_array_equal(again.network.vector, whole.network.vector)
    with pytest.raises(ms.CheckpointError, match="transform"):
        train(epochs=5, resume=tmp_path, transform=[ms.Crop(2), ms.Mixup()])


def test_mixup_learns_classes():
    run = train(transform=ms.Mixup(0.2), epochs=15, metrics=["f1"])
    assert run.evaluate()["accuracy"] > 0.7 and run.evaluate()["f1"] > 0.7
    assert run.predict_labels(run.data.validation.x).shape == (len(run.data.validation),)


def test_every_replica_has_noise_of_its_own():
    from minisgd.training.prepare import prepare

    data = ms.Dataset.from_arrays(np.zeros((12, 3)), np.zeros(12) + 0.5, validation=None)
    seen = []
    watch = lambda x, y, rng: (x, seen.append(rng.random()) or y)  # noqa: E731
    stack = prepare(ms.Network(ms.Linear(1)), data, "sgd", batch_size=4, seeds=(0, 1), transform=watch).session()
    stack.step()
    single = prepare(ms.Network(ms.Linear(1)), data, "sgd", batch_size=4, seeds=1, transform=watch).session()
    single.step()
    assert len(seen) == 3 and seen[1] == seen[2] != seen[0]


@pytest.mark.parametrize("transform", [3, [ms.Flip]])
def test_what_cannot_be_called_is_refused(transform):
    with pytest.raises(ms.DtypeError, match="transform must be"):
        train(transform=transform)


def test_another_shape_is_refused():
    with pytest.raises(ms.ArgumentError, match=r"with x of shape \(32, 8, 8, 1\)"):
        train(transform=lambda x, y, rng: (x[:, :4], y))


@pytest.mark.parametrize("made", [None, 3, "xy", np.zeros((2, 32)), (1, 2, 3)])
def test_what_is_no_pair_is_refused(made):
    with pytest.raises(ms.ArgumentError, match=r"transform must be a function that returns \(x, y\), got .*return x"):
        train(transform=lambda x, y, rng: made)
