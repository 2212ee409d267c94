"""``ms.train`` as a user calls it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms


@pytest.fixture(scope="module")
def digits() -> ms.Dataset:
    return ms.datasets.digits(validation=0.2, seed=0)


def net() -> ms.Network:
    return ms.Network(ms.Linear(32), ms.BatchNorm(), ms.ReLU(), ms.Linear(10))


def plain() -> ms.Network:
    return ms.Network(ms.Linear(32), ms.ReLU(), ms.Linear(10))


def test_the_contract(digits):
    run = ms.train(net(), digits, optimizer=ms.SGD(lr=0.1, momentum=0.9), batch_size=32, epochs=20, seed=0)
    assert run.history[-1]["val_accuracy"] > 0.96
    assert run.evaluate()["accuracy"] == run.history[-1]["val_accuracy"]
    prediction = run.network.predict(digits.validation.x)
    assert (prediction.argmax(1) == digits.validation.y).mean() == run.history[-1]["val_accuracy"]
    assert run.epochs == 20 and len(run.history) == 20
    assert run.steps == 20 * -(-len(digits) // 32) and run.examples == 20 * len(digits)


@pytest.mark.parametrize("batch_size", [1, 7, "full", ms.GrowBatch(32, 256, every=1)], ids=str)
def test_every_kind_of_batch_size_learns(digits, batch_size):
    epochs = 60 if batch_size == "full" else 2 if batch_size == 1 else 6
    lr = {1: 0.01, "full": 0.5}.get(batch_size, 0.05) if not isinstance(batch_size, ms.GrowBatch) else 0.1
    run = ms.train(plain(), digits, optimizer=ms.SGD(lr=lr), batch_size=batch_size, epochs=epochs)
    assert run.history[-1]["val_accuracy"] > 0.85
    assert run.history["train_loss"][0] > run.history["train_loss"][-1]


def test_same_seed_same_bits_other_seed_other_weights(digits):
    first, again, other = (ms.train(net(), digits, epochs=2, seed=seed).network.vector for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_the_network_passed_in_is_not_changed_and_training_goes_on_from_weights(digits):
    description = plain()
    run = ms.train(description, digits, epochs=1)
    assert not description.is_built and description.n_parameters == run.network.n_parameters
    assert "y = x @ W" in str(ms.explain(description, batch_size=32))  # its shapes are known from the data
    before = run.network.vector.copy()
    more = ms.train(run.network, digits, epochs=1)
    assert_array_equal(run.network.vector, before)
    assert more.history[-1]["val_loss"] < run.history[-1]["val_loss"]


def test_steps_and_epochs_whichever_ends_first(digits):
    assert ms.train(plain(), digits, steps=5).steps == 5
    assert ms.train(plain(), digits, steps=5, epochs=1, batch_size="full").steps == 1
    assert ms.train(plain(), digits, epochs=0.5, batch_size=100).steps == 8  # the first that makes half of 1438


def test_last_batch_is_used_or_dropped(digits):
    n = len(digits)
    used = ms.train(plain(), digits, batch_size=1000, epochs=2)
    dropped = ms.train(plain(), digits, batch_size=1000, epochs=2, last_batch="drop")
    assert (used.steps, used.examples) == (4, 2 * n)
    assert (dropped.steps, dropped.examples, dropped.epochs) == (2, 2000, 2)


@pytest.mark.parametrize("sampling", ["shuffle", "sequential", "replacement"])
def test_sampling(digits, sampling):
    run = ms.train(plain(), digits, sampling=sampling, epochs=3)
    assert run.history[-1]["val_accuracy"] > 0.8


def test_a_growing_batch_draws_from_all_examples_on_its_way_to_the_full_one(digits):
    schedule = ms.GrowBatch(64, len(digits), every=1, factor=100)
    options = {"epochs": 1, "optimizer": ms.SGD(lr=0.1), "dtype": "float64"}
    grown = ms.train(plain(), digits, batch_size=schedule, **options)
    constant = ms.train(plain(), digits, batch_size=64, **options)
    assert_allclose(grown.network.vector, constant.network.vector, rtol=1e-12, atol=1e-14)


def test_a_full_batch_with_replacement_is_drawn(digits):
    options = {"batch_size": "full", "steps": 1, "optimizer": ms.SGD(lr=0.1), "dtype": "float64"}
    whole = ms.train(plain(), digits, **options).network.vector
    drawn = [ms.train(plain(), digits, sampling="replacement", **options).network.vector for _ in range(2)]
    assert_array_equal(*drawn)
    assert np.abs(drawn[0] - whole).max() > 1e-6


def test_metrics_of_ones_own_are_recorded_and_evaluated(digits):
    def worst_class(y, prediction):
        assert prediction.shape == y.shape
        hit = prediction == y
        return min(hit[y == c].mean() for c in range(10) if (y == c).any())

    run = ms.train(plain(), digits, epochs=2, metrics={"worst_class": worst_class})
    assert run.history[-1]["val_worst_class"] == run.evaluate()["worst_class"] <= run.evaluate()["accuracy"]


def test_regression(digits):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 5))
    y = x @ [1.0, -2.0, 0.5, 0.0, 3.0] + 1
    run = ms.train(ms.Network(ms.Linear(1)), (x, y), optimizer=ms.SGD(lr=0.1), epochs=30, validation=0.25)
    assert run.history[-1]["val_loss"] < 1e-6
    assert run.history[-1]["val_accuracy"] is None
    # the network learned (y − mean) / std; what it predicts is in the units of y
    std = run.data.target.scale.std
    assert_allclose(std * run.network.parameters()["0.W"][:, 0], [1, -2, 0.5, 0, 3], atol=1e-3)
    assert_allclose(run.predict(x), y, atol=1e-3)
    assert_allclose(run.network.predict(x)[:, 0], y, atol=1e-3)


def test_example_weights_of_zero_leave_examples_out(digits):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((60, 4)), rng.integers(0, 3, 60)
    weight = (np.arange(60) < 40).astype(float)
    network = ms.Network(ms.Linear(3, init=ms.init.XavierUniform()))
    options = {"optimizer": ms.SGD(lr=0.1), "batch_size": "full", "epochs": 5, "dtype": "float64"}
    weighted = ms.train(network, ms.Dataset.from_arrays(x, y, weight=weight, validation=None), **options)
    part = ms.train(network, ms.Dataset.from_arrays(x[:40], y[:40], validation=None), **options)
    assert_allclose(weighted.network.vector, part.network.vector, rtol=1e-12)


def test_soft_targets_equal_labels():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((50, 4)), rng.integers(0, 3, 50)
    names = ("a", "b", "c")
    hard = ms.Dataset.from_arrays(x, y, classes=None, validation=None)
    soft = ms.Dataset.from_arrays(x, np.eye(3)[y], classes=names, validation=None)
    runs = [ms.train(ms.Network(ms.Linear(3)), d, epochs=3, dtype="float64") for d in (hard, soft)]
    assert_allclose(runs[0].network.vector, runs[1].network.vector, rtol=1e-12)
    assert runs[0].evaluate("train")["accuracy"] == runs[1].evaluate("train")["accuracy"]


def test_uint8_stays_uint8_and_equals_scaled_floats():
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 256, (80, 6, 6, 1), dtype=np.uint8), rng.integers(0, 2, 80)
    network = ms.Network(ms.Conv2d(3), ms.ReLU(), ms.Flatten(), ms.Linear(2))
    raw = ms.Dataset.from_arrays(x, y, validation=None)
    scaled = ms.Dataset.from_arrays(x / 255.0, y, validation=None)
    runs = [ms.train(network, d, epochs=2, dtype="float64") for d in (raw, scaled)]
    assert_allclose(runs[0].network.vector, runs[1].network.vector, rtol=1e-12)
    assert_allclose(runs[0].network.predict(x), runs[1].network.predict(x / 255.0), rtol=1e-10, atol=1e-12)


def test_early_stopping_and_best_weights(digits):
    class Count(ms.Callback):
        seen = 0

        def on_evaluation(self, training, record):
            self.seen += 1
            return False

    count = Count()
    run = ms.train(
        plain(),
        digits,
        optimizer=ms.SGD(lr=0.5, momentum=0.9),
        epochs=200,
        callbacks=[ms.EarlyStopping(3), ms.BestWeights(), count],
    )
    assert run.stopped == "stopped by a callback"
    assert count.seen == len(run.history) < 200
    losses = run.history["val_loss"]
    assert min(losses) not in losses[-3:]
    assert_allclose(run.evaluate()["loss"], min(losses), rtol=1e-6)


def test_interrupt_leaves_a_valid_run(digits):
    class Interrupt(ms.Callback):
        def on_evaluation(self, training, record):
            if record["epoch"] >= 2:
                raise KeyboardInterrupt
            return False

    run = ms.train(plain(), digits, epochs=50, callbacks=[Interrupt()])
    assert run.stopped == "interrupted"
    assert 2 <= run.epochs < 4
    assert run.evaluate()["accuracy"] > 0.5


def test_schedules_reach_the_record(digits):
    run = ms.train(plain(), digits, optimizer=ms.SGD(lr=ms.StepDecay(0.1, factor=0.5, every=1)), epochs=3)
    assert run.history["lr"] == [0.1, 0.05, 0.025]
    grown = ms.train(plain(), digits, batch_size=ms.GrowBatch(16, 64, every=1), epochs=4)
    assert grown.history["batch_size"] == [16, 32, 64, 64]


def test_weights_survive_a_file(digits, tmp_path):
    run = ms.train(net(), digits, epochs=1)
    path = run.save(tmp_path / "deep" / "weights.safetensors")
    loaded = net().load(path)
    assert_array_equal(loaded.predict(digits.validation.x), run.network.predict(digits.validation.x))
    assert [p.name for p in path.parent.iterdir()] == ["weights.safetensors"]


BAD = [
    ({"batch_size": 0}, ms.ArgumentError, "batch_size must be an integer from 1 to 1438"),
    ({"batch_size": 5000}, ms.ArgumentError, "there are 1438 examples"),
    ({"batch_size": "ful"}, ms.ArgumentError, "did you mean 'full'"),
    ({"batch_size": 3.5}, ms.DtypeError, "batch_size"),
    ({"epochs": 0}, ms.ArgumentError, "epochs must be a positive number"),
    ({"epochs": float("nan")}, ms.ArgumentError, "epochs"),
    ({"steps": 2.5}, ms.ArgumentError, "steps must be a positive whole number"),
    ({"sampling": "random"}, ms.ArgumentError, "sampling must be one of 'shuffle'"),
    ({"last_batch": "keep"}, ms.ArgumentError, "last"),
    ({"optimizer": 0.1}, ms.DtypeError, "optimizer must be an optimizer object"),
    ({"loss": 0.1}, ms.DtypeError, "loss must be a loss, its name, or a function"),
    ({"loss": ms.MeanSquaredError()}, ms.ShapeError, "target"),
    ({"dtype": "float16"}, ms.ArgumentError, "dtype must be 'float32' or 'float64'"),
    ({"device": "tpu"}, ms.ArgumentError, "device must be 'cpu', 'cuda' or 'auto'"),
    ({"clip_norm": 0}, ms.ArgumentError, "clip_norm"),
    ({"micro_batch": 0}, ms.ArgumentError, "micro_batch"),
    ({"memory_limit": "lots"}, ms.ArgumentError, "memory_limit must be a whole number of bytes"),
    ({"memory_limit": "2KB"}, ms.MemoryLimitError, "one example at a time"),
    ({"threads": 0}, ms.ArgumentError, "threads"),
    ({"validation": 0.5}, ms.ArgumentError, "validation must be None"),
    (
        {"callbacks": [ms.EarlyStopping(metric="val_f1")]},
        ms.ArgumentError,
        "choose among train_loss, val_loss, val_accuracy",
    ),
    ({"optimizer": ms.SGD(lr=1e30)}, ms.DivergedError, "lower the learning rate"),
    ({"evaluate_every": 0}, ms.ArgumentError, "evaluate_every"),
]


@pytest.mark.parametrize(("options", "error", "text"), BAD, ids=lambda v: str(v)[:40])
def test_bad_arguments(digits, options, error, text):
    with pytest.raises(error) as caught:
        ms.train(plain(), digits, **{"epochs": 3} | options)
    assert text in str(caught.value)
    assert "; " in str(caught.value)  # the fix


def test_networks_that_do_not_fit(digits):
    with pytest.raises(ms.ShapeError, match="at least 10 values"):
        ms.train(ms.Network(ms.Linear(5)), digits)
    with pytest.raises(ms.ShapeError, match="flatten images first"):
        ms.train(plain(), ms.datasets.digits(images=True))
    with pytest.raises(ms.DtypeError, match="wrap the layers"):
        ms.train([ms.Linear(10)], digits)
    with pytest.raises(ms.DtypeError, match="a Dataset, a data frame, a pair"):
        ms.train(plain(), "digits")
    with pytest.raises(ms.ShapeError, match="at least two values per channel"):
        ms.train(net(), digits, batch_size=1)
    # 1438 = 479 · 3 + 1: the short batch of one is refused before the first step, not after an epoch
    with pytest.raises(ms.ShapeError, match="drop"):
        ms.train(net(), digits, batch_size=3)
    assert ms.train(net(), digits, batch_size=3, last_batch="drop", steps=3).steps == 3


def test_callbacks_stand_between_gradient_and_update(digits):
    class Watch(ms.Callback):
        """Predict every plain SGD update from the weights and the gradient before it."""

        def __init__(self):
            self.steps = self.examples = 0

        def on_gradient(self, training, index, gradient):
            self.examples += index.size
            self.expected = training.network.vector - np.float32(0.1) * gradient

        def on_step(self, training):
            self.steps += 1
            assert training.session.steps == self.steps
            assert_allclose(training.network.vector, self.expected, rtol=0, atol=1e-7)

    watch = Watch()
    run = ms.train(plain(), digits, callbacks=[watch], epochs=1, batch_size=100)
    assert watch.steps == run.steps and watch.examples == len(digits)
    in_parts = ms.train(plain(), digits, callbacks=[Watch()], epochs=1, batch_size=100, micro_batch=30)
    assert_allclose(in_parts.network.vector, run.network.vector, atol=1e-5)
