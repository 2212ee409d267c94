"""Training runs whose batch size follows the gradient: repeatable, resumable, and worth it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms
from minisgd.optim import BatchSizeSchedule
from minisgd.training.prepare import prepare
from minisgd.training.session import Session

SCHEDULES = [
    ms.NormTest(8, 300, every=5, theta=0.8),
    ms.InnerProductTest(8, 300, every=5, theta=0.4),
    ms.CABS(8, 300, every=5),
    ms.NeverShrink(ms.CABS(8, 300, every=5)),
]


@pytest.fixture(scope="module")
def data() -> ms.Dataset:
    return ms.datasets.digits(validation=0.25, seed=0)


class Sizes(ms.Callback):
    """Notes the batch size of every update."""

    def on_start(self, training: Any) -> None:
        self.found: list[int] = []

    def on_step(self, training: Any) -> None:
        self.found.append(training.session.size)


def trained(data: ms.Dataset, schedule: Any, **options: Any) -> tuple[ms.Run, list[int]]:
    sizes = Sizes()
    settings = {"optimizer": ms.SGD(lr=0.2, momentum=0.5), "epochs": 3} | options
    run = ms.train(ms.model("mlp:16", (64,), 10), data, batch_size=schedule, callbacks=[sizes], **settings)
    return run, sizes.found


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_sizes_change_within_their_bounds_and_repeat(data: ms.Dataset, schedule: BatchSizeSchedule) -> None:
    (run, sizes), (again, sizes_again) = trained(data, schedule), trained(data, schedule)
    assert sizes[0] == 8 and all(8 <= size <= 300 for size in sizes) and len(set(sizes)) > 2
    assert sizes == sizes_again
    assert_array_equal(run.network.vector, again.network.vector)
    if not isinstance(schedule, ms.CABS):
        assert sizes == sorted(sizes)


def test_every_epoch_still_holds_every_example_once(data: ms.Dataset) -> None:
    seen: list[int] = []

    class Seen(ms.Callback):
        def on_gradient(self, training: Any, index: Any, gradient: Any) -> None:
            seen.extend(index[0].tolist())

    schedule = SCHEDULES[0]
    ms.train(ms.model("linear", (64,), 10), data, batch_size=schedule, epochs=2, callbacks=[Seen()])
    n = len(data)
    assert sorted(seen[:n]) == sorted(seen[n:]) == list(range(n)) and seen[:n] != seen[n:]


def test_the_order_of_examples_does_not_depend_on_the_sizes(data: ms.Dataset) -> None:
    """The same shuffle is cut at other places: adaptive and constant batches see the same stream of examples."""
    streams: dict[str, list[int]] = {}
    for name, size in (("adaptive", SCHEDULES[0]), ("constant", 32)):
        seen = streams[name] = []

        class Seen(ms.Callback):
            def on_gradient(self, training: Any, index: Any, gradient: Any, seen: list[int] = seen) -> None:
                seen.extend(index[0].tolist())

        ms.train(ms.model("linear", (64,), 10), data, batch_size=size, epochs=2, callbacks=[Seen()])
    assert streams["adaptive"] == streams["constant"]


def session(data: ms.Dataset, schedule: BatchSizeSchedule) -> Session:
    return prepare(ms.model("mlp:16", (64,), 10), data, ms.SGD(lr=0.2), batch_size=schedule).session()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("at", [20, 26])
def test_a_resumed_training_goes_on_bit_for_bit(data: ms.Dataset, schedule: BatchSizeSchedule, at: int) -> None:
    """Weights, place in the shuffle, size and what was last measured are all that it needs."""
    whole, first, second = (session(data, schedule) for _ in range(3))
    sizes = []
    for _ in range(60):
        whole.step()
        sizes.append(whole.size)
    for _ in range(at):
        first.step()
    second.ops.copy(first.network.vector, out=second.network.vector)
    second.sampler.restore(first.sampler.state())
    second.steps, second.size, second.measured = first.steps, first.size, first.measured
    for k in range(at, 60):
        second.step()
        assert second.size == sizes[k]
    assert_array_equal(second.network.vector, whole.network.vector)


def test_micro_batches_see_the_same_gradient(data: ms.Dataset) -> None:
    _, whole = trained(data, SCHEDULES[0], epochs=1, dtype="float64")
    _, parts = trained(data, SCHEDULES[0], epochs=1, dtype="float64", micro_batch=16)
    assert whole == parts


def test_at_equal_examples_it_takes_fewer_updates_and_ends_as_low(data: ms.Dataset) -> None:
    """Against constant batches that see as many examples: the small one's loss in fewer updates than it needs, and a
    lower loss than the large one's."""
    epochs = 12
    loss = {}
    steps = {}
    for name, size in (("small", 8), ("adaptive", ms.InnerProductTest(8, 256, every=5, theta=0.6)), ("large", 256)):
        found = [trained(data, size, epochs=epochs, seed=seed, optimizer=ms.SGD(lr=0.1))[0] for seed in range(3)]
        loss[name] = float(np.mean([run.evaluate("train")["loss"] for run in found]))
        steps[name] = float(np.mean([run.steps for run in found]))
        assert all(run.examples == epochs * len(data) for run in found)
    assert steps["large"] < steps["adaptive"] < 0.6 * steps["small"]
    assert loss["adaptive"] < 0.5 * loss["large"]
    assert loss["adaptive"] < 3 * loss["small"] + 0.1


def test_batch_normalisation_and_dropout_are_measured_as_in_evaluation(data: ms.Dataset) -> None:
    net = ms.Network(ms.Linear(16), ms.BatchNorm(), ms.ReLU(), ms.Dropout(0.2), ms.Linear(10))
    sizes = Sizes()
    run = ms.train(net, data, batch_size=SCHEDULES[0], epochs=3, callbacks=[sizes])
    assert max(sizes.found) > 8 and run.evaluate()["accuracy"] > 0.5


def test_a_schedule_that_exceeds_the_data_is_refused(data: ms.Dataset) -> None:
    with pytest.raises(ms.ArgumentError, match="^batch_size must be an integer of at most 1348 at its largest"):
        trained(data, ms.NormTest(8, 5000))


@pytest.mark.parametrize(
    ("schedule", "examples"),
    [(ms.GrowBatch(4, 16, every=1), 4 * 16), (ms.NormTest(4, 16, every=1, theta=1e-3), 4 + 13 + 3 * 16)],
)
def test_a_single_example_left_over_does_not_end_a_training_with_batch_norm(
    schedule: BatchSizeSchedule, examples: int
) -> None:
    """Of 17 examples one is left by 4, 8 and 16; a constant batch size is refused before the training run begins."""
    rng = np.random.default_rng(0)
    small = ms.Dataset.from_arrays(rng.normal(size=(17, 3)), np.arange(17) % 2, validation=None)
    net = ms.Network(ms.Linear(4), ms.BatchNorm(), ms.ReLU(), ms.Linear(2))
    run = ms.train(net, small, batch_size=schedule, epochs=4)
    assert run.epochs == 4 and run.examples == examples
    with pytest.raises(ms.ShapeError, match="two values per channel"):
        ms.train(net, small, batch_size=16, epochs=4)
    free = ms.Network(ms.Linear(4), ms.LayerNorm(), ms.ReLU(), ms.Linear(2))
    assert ms.train(free, small, batch_size=schedule, epochs=4).examples == 68
