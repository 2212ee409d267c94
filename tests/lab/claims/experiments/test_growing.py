"""A batch that grows, on small data."""

from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs
from minisgd.lab.claims.experiments.growing import DecayingBudget, GrowingBudget
from minisgd.lab.claims.sentences.c19_growing import at_equal_steps
from minisgd.training.arithmetic import quiet_arithmetic
from tests.lab.claims.labs import small_lab

DATA = gaussian_blobs(400, 5, 3, 3.0, seed=0)


def laboratory(folder=None):
    network = ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(3))
    return small_lab(network, DATA, folder=folder)


@pytest.fixture(autouse=True)
def quiet():
    with quiet_arithmetic():
        yield


def test_a_grown_batch_sees_as_many_examples(tmp_path, monkeypatch):
    experiment = GrowingBudget(8, multiples=(0.25, 1.0))
    runs = experiment.run(laboratory(tmp_path))
    n = len(DATA)
    assert runs.batch_sizes == (256,) and runs.n_train == n and runs.table("steps").shape == (1, 2, 5)
    # two epochs at each of 4, 16, 64 and 256, of which only whole batches are taken
    steps = runs.table("steps")
    assert (steps == steps[0, 0, 0]).all() and abs(steps[0, 0, 0] - sum(2 * n // b for b in (4, 16, 64, 256))) <= 4
    assert (runs.table("val_loss") < 1.0).all()
    monkeypatch.setattr(GrowingBudget, "_train", lambda *a: pytest.fail("trained again"))
    again = experiment.run(laboratory(tmp_path))
    np.testing.assert_array_equal(again.table("val_loss"), runs.table("val_loss"))


@pytest.mark.parametrize("kind", [GrowingBudget, DecayingBudget])
def test_it_is_the_training_that_ms_train_would_do(kind):
    lab = laboratory()
    cell = kind(8, multiples=(1.0,)).run(lab).cells[0][0][3]
    grows = kind is GrowingBudget
    run = ms.train(
        lab.base.network,
        DATA,
        optimizer=ms.SGD(lr=cell.lr if grows else ms.StepDecay(cell.lr, factor=1 / 4, every=2)),
        batch_size=ms.GrowBatch(4, 256, every=2, factor=4) if grows else 4,
        steps=cell.steps,
        seed=3,
        last_batch="drop",
    )
    np.testing.assert_allclose(run.evaluate("train")["loss"], cell.train_loss, rtol=1e-4)
    np.testing.assert_allclose(run.evaluate("validation")["loss"], cell.val_loss, rtol=1e-4)


def test_losses_between_those_tried_lie_on_a_power_law():
    steps = np.array([[1000.0, 1000], [100, 100], [10, 10]])
    losses = 3 / np.sqrt(steps)
    np.testing.assert_allclose(at_equal_steps(steps, losses, np.array([50.0, 700])), 3 / np.sqrt([50, 700]))
