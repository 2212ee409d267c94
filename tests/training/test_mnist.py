"""Ten thousand real images, where a folder with them is named: the accuracies that other engines reach."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import minisgd as ms

FOLDER = os.environ.get("MINISGD_MNIST", "")

pytestmark = pytest.mark.skipif(
    not (FOLDER and Path(FOLDER).is_dir()), reason="MINISGD_MNIST names no folder with the MNIST files"
)


@pytest.fixture(scope="module")
def mnist() -> ms.Dataset:
    return ms.load(f"idx:{FOLDER}", validation=0.2)


def test_dense_network(mnist):
    net = ms.model("mlp:256,128", mnist.input_shape, 10)
    run = ms.train(net, mnist, optimizer=ms.SGD(lr=0.05, momentum=0.9), batch_size=128, epochs=5)
    assert run.history[-1]["val_accuracy"] >= 0.94
    assert run.data.train.x.dtype == "uint8"


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [10, 100])
def test_convolutional_network(mnist, batch_size):
    net = ms.model("cnn", mnist.input_shape, 10)
    run = ms.train(net, mnist, optimizer=ms.SGD(lr=0.01, momentum=0.9), batch_size=batch_size, epochs=5)
    assert max(run.history["val_accuracy"]) >= 0.97
