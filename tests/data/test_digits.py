from __future__ import annotations

from pathlib import Path

import numpy as np

import minisgd.data.digits as module
from minisgd.data.digits import digits


def test_shapes_and_scale():
    data = digits()
    assert (len(data.train), len(data.validation), data.input_shape) == (1438, 359, (64,))
    assert data.train.x.dtype == np.uint8 and data.train.x.max() * data.scale == 1
    images = digits(images=True)
    assert images.input_shape == (8, 8, 1)
    np.testing.assert_array_equal(images.train.x.reshape(-1, 64), data.train.x)


def test_every_class_is_in_its_known_number():
    whole = digits(validation=0)
    np.testing.assert_array_equal(np.bincount(whole.train.y), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    np.testing.assert_array_equal(whole.train.y[:10], range(10))
    assert whole.train.x.sum() == 561_718
    np.testing.assert_allclose(np.bincount(digits().validation.y), np.bincount(whole.train.y) / 5, atol=1)


def test_the_seed_decides_the_split():
    assert (digits(seed=1).validation.x != digits(seed=2).validation.x).any()
    np.testing.assert_array_equal(digits(seed=1).validation.x, digits(seed=1).validation.x)


def test_the_licence_lies_beside_the_data():
    folder = Path(module.__file__).parent
    assert "CC BY 4.0" in (folder / "digits.LICENSE.md").read_text(encoding="utf-8")
    assert (folder / "digits.npz").stat().st_size < 60_000
