"""The local critical batch size: the noisy quadratic, where the expected loss of every branch is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

import minisgd as ms
from minisgd.cli import main
from minisgd.errors import ArgumentError

CURVATURE = np.array([1.0, 0.3, 0.1])
SIGMA, LR, FACTORS = 0.3, 0.02, (1, 2, 4, 8, 16, 32)


def regression(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian features with the variances of CURVATURE, and targets that are nothing but noise."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) * np.sqrt(CURVATURE), rng.normal(0, SIGMA, n)


def expected_risk(start: np.ndarray, lr: float, batch: int, steps: int) -> float:
    """E (wx − y)² after SGD on Gaussian features, with E w² by its recursion, coordinate by coordinate.

    The gradient is 2 (h w + noise): a step of lr is one of 2 lr on half the loss. The covariance of one h w + noise is
    h² w² + h Σ h w² + σ² h, as E x xᵀ A x xᵀ = 2 HAH + H tr(HA).
    """
    square, h, lr = start**2, CURVATURE, 2 * lr
    for _ in range(steps):
        noise = h**2 * square + h * (h @ square) + SIGMA**2 * h
        square = (1 - lr * h) ** 2 * square + lr**2 / batch * noise
    return h @ square + SIGMA**2


@pytest.mark.parametrize("distance", [3.0, 0.3])
def test_it_is_that_of_the_noisy_quadratic_within_a_step_of_the_grid(distance) -> None:
    x, y = regression(40_000, 0)
    network = ms.Network(ms.Linear(1, bias=False)).build((3,), dtype="float64")
    network.vector[:] = distance
    examples, tolerance = 2048, 0.1
    found = ms.local_critical_batch_size(
        network, (x, y), ms.SGD(LR), batch_size=2, factors=FACTORS, examples=examples, tolerance=tolerance, seeds=16
    )
    start = expected_risk(np.full(3, distance), LR, 1, 0)
    risks = [expected_risk(np.full(3, distance), LR * k, 2 * k, examples // (2 * k)) for k in FACTORS]
    tolerated = [risk - risks[0] <= tolerance * (start - risks[0]) for risk in risks]
    last = tolerated.index(False) - 1 if False in tolerated else len(FACTORS) - 1
    assert found.value is not None and abs(found.batch_sizes.index(found.value) - last) <= 1
    assert found.low <= 2 * FACTORS[last] < (found.high or np.inf)
    assert found.learning_rates == tuple(LR * k for k in FACTORS)


def test_small_data_bring_smaller_branches() -> None:
    network = ms.Network(ms.Linear(1)).build((3,))
    found = [ms.local_critical_batch_size(network, regression(n, 4), seeds=2) for n in (70, 9)]
    assert [each.batch_sizes for each in found] == [(16, 32, 64), (4, 8)]
    assert ms.local_critical_batch_size(network, regression(70, 4), examples=40, seeds=2).batch_sizes == (16, 32)


def test_what_learns_nothing_has_none() -> None:
    x, y = regression(500, 1)
    network = ms.Network(ms.Linear(1, bias=False)).build((3,), dtype="float64")
    network.vector[:] = 0  # the best weights there are
    found = ms.local_critical_batch_size(network, (x, y), ms.SGD(0.05), batch_size=2, factors=(1, 4))
    assert found.value is None and found.low is None and found.high is None


def test_the_network_stays_as_it_is() -> None:
    data = ms.datasets.digits(validation=None)
    network = ms.model("mlp-bn:8", data.input_shape, 10).build(data.input_shape)
    before = network.vector.copy(), network.statistics.copy()
    found = ms.local_critical_batch_size(network, data, ms.Adam(0.003), factors=(1, 2), seeds=2)
    assert np.array_equal(network.vector, before[0]) and np.array_equal(network.statistics, before[1])
    assert found.losses.shape == (2, 2) and found.learning_rates == pytest.approx((0.003, 0.003 * 2**0.5))


@pytest.mark.parametrize(("batch_size", "given", "seen"), [(2, 31, 24), (3, 40, 36), (4, 23, 23)])
def test_branches_see_equally_many_examples_where_there_are_enough(batch_size, given, seen) -> None:
    network, data = ms.Network(ms.Linear(1)).build((3,)), regression(200, 3)
    options = {"batch_size": batch_size, "factors": (1, 2, 3), "examples": given, "seeds": 2}
    assert ms.local_critical_batch_size(network, data, ms.SGD(0.01), **options).examples == seen


def test_branches_that_diverge_are_beyond() -> None:
    x, y = regression(600, 2)
    network = ms.Network(ms.Linear(1, bias=False)).build((3,))
    network.vector[:] = 2.0
    with np.errstate(all="ignore"):
        found = ms.local_critical_batch_size(
            network, (x, y), ms.SGD(0.5), batch_size=8, factors=(1, 64), examples=60_000
        )
    assert (found.value, found.low, found.high) == (8, 8, 512)


@pytest.mark.parametrize(
    ("given", "argument"),
    [
        ({"factors": (2, 4)}, "factors"),
        ({"factors": (1, 4, 2)}, "factors"),
        ({"factors": (1, 1000)}, "factors must be at most 50"),
        ({"factors": None, "batch_size": 150}, "batch_size must be at most 100"),
        ({"seeds": 1}, "seeds"),
        ({"tolerance": 0}, "tolerance"),
        ({"examples": 3}, "examples"),
        ({"batch_size": 0}, "batch_size"),
        ({"rule": "cubic"}, "rule"),
    ],
)
def test_what_cannot_be_tried_is_refused(given, argument) -> None:
    network = ms.Network(ms.Linear(1)).build((3,))
    with pytest.raises(ArgumentError, match=f"^{argument}"):
        ms.local_critical_batch_size(network, regression(200, 3), **{"batch_size": 4, "factors": (1, 2)} | given)


@pytest.mark.parametrize(
    ("optimizer", "clip_norm"),
    [(ms.SGD(0.02, momentum=0.9), None), (ms.SGD(0.02, momentum=0.9), 0.5), (ms.Adam(ms.Cosine(0.1)), None)],
)
def test_branches_of_a_training_run_go_on_with_its_optimizer(optimizer, clip_norm) -> None:
    """All examples are equal, so that the smallest branch does what the training run itself does next."""
    x, y = np.ones((64, 3)) * [1.0, 2.0, -1.0], np.full(64, 2.0)
    found = []

    class Branch(ms.Callback):
        def on_step(self, training) -> None:
            if training.session.steps == 5:
                found.append(ms.local_critical_batch_size(training, factors=(1, 2), examples=8, seeds=3))
                found.append(ms.local_critical_batch_size(training.network.copy(), training.data, ms.SGD(0.02)))

    network = ms.Network(ms.Linear(1)).build((3,), dtype="float64")
    settings = {"batch_size": 4, "dtype": "float64", "clip_norm": clip_norm, "loss": ms.MeanSquaredError()}
    run = ms.train(network, (x, y), optimizer=optimizer, steps=7, callbacks=[Branch()], **settings)
    of_run, of_network = found
    assert of_run.batch_sizes == (4, 8)
    if isinstance(optimizer.lr, float):  # a schedule would have gone on
        assert of_run.losses[0] == pytest.approx([run.evaluate("train")["loss"]] * 3, rel=1e-9)
    assert of_run.start == pytest.approx(of_network.start) and of_network.batch_sizes[0] == 16
    assert of_run.learning_rates[0] == pytest.approx(optimizer.schedule(progress_at(5, 7)))


def progress_at(step: int, steps: int) -> ms.Progress:
    return ms.Progress(step, 0.0, step / steps, 4, None, 1 / steps)


def test_a_finished_training_run_brings_its_data_and_its_loss() -> None:
    data = ms.datasets.digits(validation=None)
    run = ms.train(ms.Network(ms.Linear(10)), data, loss=ms.SoftmaxCrossEntropy(label_smoothing=0.2), steps=20)
    of_run, of_network = (
        ms.local_critical_batch_size(*given, optimizer=ms.SGD(0.05), factors=(1, 2), seeds=2, **more)
        for given, more in [((run,), {}), ((run.network, data), {"loss": run.loss, "batch_size": 32})]
    )
    assert np.array_equal(of_run.losses, of_network.losses)


def test_a_network_alone_says_that_it_needs_data() -> None:
    with pytest.raises(ms.DtypeError, match="^data must be the examples"):
        ms.local_critical_batch_size(ms.Network(ms.Linear(1)).build((3,)))


def test_the_curve_along_a_training_run(tmp_path) -> None:
    def go(**more):
        tracker = ms.CriticalBatchTracker(every=20, factors=(1, 4), seeds=2, examples=32)
        network = ms.Network(ms.Linear(1, bias=False)).build((3,), dtype="float64")
        network.vector[:] = 3.0
        options = {"optimizer": ms.SGD(0.02, momentum=0.5), "batch_size": 4, "dtype": "float64", "steps": 60} | more
        return ms.train(network, regression(400, 0), **{"callbacks": [tracker]} | options), tracker

    whole, tracker = go(checkpoint=tmp_path / "a")
    assert tracker.steps == [20, 40, 60] and all(found.batch_sizes == (4, 16) for found in tracker.results)
    assert "surely within" in tracker._repr_html_()
    plain, _ = go(callbacks=[])
    assert np.array_equal(plain.network.vector, whole.network.vector)
    go(checkpoint=tmp_path / "b", steps=41)
    resumed, again = go(resume=tmp_path / "b")
    assert np.array_equal(resumed.network.vector, whole.network.vector)
    assert repr([found.to_dict() for found in again.results]) == repr([found.to_dict() for found in tracker.results])


def test_a_schedule_that_falls_to_zero_is_followed_to_its_end() -> None:
    tracker = ms.CriticalBatchTracker(every=10, factors=(1, 2), seeds=2, examples=16)
    optimizer = ms.SGD(ms.Cosine(0.02))
    run = ms.train(
        ms.Network(ms.Linear(1)), regression(80, 0), optimizer=optimizer, batch_size=8, steps=10, callbacks=[tracker]
    )
    assert run.stopped == "finished" and tracker.steps == [10]


def test_the_command(capsys) -> None:
    line = "probe local --data digits --model linear --lr 0.05 --batch-size 4 --factors 1,4 --seeds 2 --quiet".split()
    assert main(line) == 0
    assert "local critical batch size" in capsys.readouterr().out
    assert main([*line, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["batch_sizes"] == [4, 16]
    assert main([*line, "--scaling", "half-life"]) == 2
    assert "--scaling" in capsys.readouterr().err


@pytest.mark.parametrize("lr", [0.01, ms.Cosine(0.01)])
def test_a_finished_run_and_the_last_update_of_one_are_branched_by_their_own_optimizer(lr) -> None:
    tracker = ms.CriticalBatchTracker(every=6, factors=(1, 2), examples=16, seeds=2)
    network = ms.Network(ms.Linear(1)).build((3,))
    run = ms.train(network, regression(64, 5), optimizer=ms.Adam(lr), batch_size=8, steps=6, callbacks=[tracker])
    last = run.history[-1]["lr"]
    for found in (tracker.results[0], ms.local_critical_batch_size(run, factors=(1, 2), seeds=2)):
        assert found.batch_sizes == (8, 16)
        assert found.learning_rates == pytest.approx((last, last * 2**0.5))


def test_a_tracker_is_refused_before_training_where_no_larger_batch_fits_and_stops_where_none_fits_any_more() -> None:
    tracker = ms.CriticalBatchTracker(every=2, seeds=2)
    settings = {"data": regression(64, 6), "optimizer": ms.SGD(0.001), "steps": 8, "callbacks": [tracker]}
    with pytest.raises(ArgumentError, match=r"^batch_size must be at most 32, .* the 64 examples, got 64"):
        ms.train(ms.Network(ms.Linear(1)), batch_size="full", **settings)
    ms.train(ms.Network(ms.Linear(1)), batch_size=ms.GrowBatch(32, 64, every=2), **settings)
    assert tracker.steps == [2, 4]


@pytest.mark.parametrize(("lr", "advice"), [("1e-9", "raise"), ("1e9", "lower")])
def test_the_command_says_how_to_learn_anything(lr, advice, capsys, tmp_path) -> None:
    options = ["--model", "linear", "--lr", lr, "--seeds", "2", "--factors", "1,2", "--out", str(tmp_path / "page")]
    assert main(["probe", "local", "--data", "digits", *options]) == 0
    said = capsys.readouterr().out
    assert f": {advice} --lr, or give more --examples." in said and "nan" not in said and "inf" not in said
