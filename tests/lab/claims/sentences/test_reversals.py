"""No verdict is written in the code: where the effect is reversed, so is the verdict."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from minisgd.lab.claims.experiments.fixed_budget import Endings
from minisgd.lab.claims.experiments.loss_curve import LossCurves
from minisgd.lab.claims.run.judging import find
from minisgd.lab.claims.run.plan import Missing, Outcome
from minisgd.lab.claims.sentences.c29_favoured_sizes import SIZES as EVEN_SIZES
from minisgd.lab.claims.sentences.table import CLAIMS
from minisgd.lab.study.target import Target
from tests.lab.claims.sentences.synthetic_results import (
    SIZES,
    Curve,
    N,
    distinct,
    endings,
    escape,
    exchange,
    gradient_error,
    gradient_variance,
    input_shift,
    judged,
    memory,
    powers_of_two,
    predictions,
    sharpness,
    step_flops,
    step_times,
    target_runs,
    utilisation,
)

HYPERBOLA = target_runs(lambda b: 40 * (1 + 64 / b))
"""What the literature expects: a critical batch size of 64."""
SCALING = target_runs(lambda b: 1e6 / b)
"""Perfect scaling: the batch size changes nothing per example."""
NEARLY_SCALING = target_runs(lambda b: 4 + 16e3 / b, noise=0.001)
"""A critical batch size far beyond the batches tried."""
PLATEAU = target_runs(lambda b: 100.0)
"""No scaling: a batch is worth one example, whatever its size."""
CHEAP_SMALL = target_runs(lambda b: 1e6 / b**1.5)
"""Large batches need fewer examples: no noise limits them."""
STUCK = target_runs(lambda b: 100.0, reached=lambda b, seed: seed < 3)
NOWHERE = target_runs(lambda b: 100.0, reached=lambda b, seed: False)
SERIAL = step_times(1e-9, 1e5)
"""A machine without overhead per step: time is examples."""
PARALLEL = step_times(1e-4, 1e12)
"""A machine on which every batch takes the same time: time is steps."""
USUAL = step_times()


def norms(none: Curve, batch: Curve, gap: float) -> dict[str, Any]:
    """Make accuracies with and without normalisation, and the ratio of the losses in both modes."""
    rng = np.random.default_rng(0)

    def runs(curve: Curve, **options: Any) -> Endings:
        return endings(
            lambda b, lr, seed: {
                "val_accuracy": curve(b) + 0.002 * rng.normal(),
                "extra": {"training_mode_loss": 0.1 * gap * math.exp(0.05 * rng.normal())},
            },
            rates=(0.05, 0.1, 0.2),
            **options,
        )

    return {"none": runs(none), "batch": runs(batch), "ghost": runs(batch), "small": runs(batch, sizes=(4,))}


def critical(b_crit: float) -> Any:
    """Return training runs with a critical batch size."""
    return target_runs(lambda b: 40 * (1 + b_crit / b), sizes=(4, 16, 64, 256))


def data_sizes(quarter: float, half: float, whole: float) -> dict[str, Any]:
    """Return what claim 23 reads, from critical batch sizes."""
    by_data = {"quarter": critical(quarter), "half": critical(half), "whole": critical(whole)}
    return by_data | {"own": HYPERBOLA, "narrow": critical(64), "medium": critical(64), "wide": critical(64)}


def from_sizes(quarter: float, whole: float, own: float) -> dict[str, Any]:
    """Return what claim 37 reads: critical batch sizes with a quarter of the data, all, and a target of its own."""
    runs = {"quarter": critical(quarter), "half": critical(whole), "whole": critical(whole), "own": critical(own)}
    widths = {name: critical(64) for name in ("narrow", "medium", "wide")}
    return runs | widths | {"times": USUAL, "narrow_times": USUAL}


def budgets(constant: Curve, growing: float) -> dict[str, Any]:
    """Make validation losses of constant batches, and of one that grew with a quarter of the smallest one's updates."""
    rng = np.random.default_rng(0)

    def runs(loss: Curve, steps: Curve, sizes: tuple[int, ...]) -> Endings:
        return endings(
            lambda b, lr, seed: {"val_loss": loss(b) * math.exp(0.03 * rng.normal()), "steps": steps(b)},
            rates=(0.1,),
            sizes=sizes,
        )

    return {
        "constant": runs(constant, lambda b: 16384 / b, SIZES),
        "growing": runs(lambda b: growing, lambda b: 1024, SIZES[-1:]),
    }


def more_data(eighth: float, whole: float, in_order: float) -> dict[str, Any]:
    """Make accuracies with an eighth and all of the data, and with all of them unshuffled."""
    rng = np.random.default_rng(0)

    def runs(level: float, n: int) -> Endings:
        return endings(
            lambda b, lr, seed: {"val_accuracy": level + 0.002 * rng.normal()}, sizes=(16,), rates=(0.1,), n_train=n
        )

    parts = {"eighth": runs(eighth, N // 8), "quarter": runs(whole, N // 4), "half": runs(whole, N // 2)}
    return parts | {"whole": runs(whole, N), "in_order": runs(in_order, N)}


def full_batch(runs: Any, steps: Curve, error: float) -> dict[str, Any]:
    """Return what claim 26 reads: training runs, those of the full batch, and the error of the smallest."""
    flops = {"flops": step_flops(100, 10), "full_flops": step_flops(100, 10, sizes=(N,))}
    return flops | {"runs": runs, "full": target_runs(steps, sizes=(N,)), "errors": gradient_error(error)}


def losses(curve: Curve, steps: int = 100, **options: Any) -> Endings:
    """Make training runs whose losses are curve(B) at the learning rate 0.4, more on either side, and so many steps."""
    rng = np.random.default_rng(0)

    def value(b: int, lr: float, seed: int) -> dict[str, Any]:
        loss = curve(b) * math.exp(0.02 * rng.normal() + np.log2(lr / 0.4) ** 2 / 4)
        return {"val_loss": loss, "train_loss": loss, "val_accuracy": 1 - loss / 10, "steps": steps}

    return endings(value, **options)


def both(epochs: Curve, steps: Curve, **options: Any) -> dict[str, Endings]:
    """Make the losses that a few epochs, and then many steps, come to."""
    return {"epochs": losses(epochs, **options), "steps": losses(steps, 400, **options)}


def little(epochs: Curve, steps: Curve) -> dict[str, Endings]:
    """Make the same for little data."""
    return {f"little_{name}": runs for name, runs in both(epochs, steps, sizes=SIZES[:3]).items()}


def decayed(curve: Curve) -> dict[str, Endings]:
    """Make what little data come to with weight decay."""
    return {"decayed": losses(curve, sizes=SIZES[:3])}


def usable(low: Curve, high: Curve) -> dict[str, Endings]:
    """Make training runs that end well between two learning rates, and where they began outside."""
    rng = np.random.default_rng(0)

    def value(b: int, lr: float, seed: int) -> dict[str, Any]:
        good = low(b) * 1.05 ** rng.normal() < lr < high(b) * 1.05 ** rng.normal()
        return {"train_loss": 0.1 if good else 2.3, "curve": ((1.0, 2.3, 2.3),)}

    return {"runs": endings(value)}


def usable_with_norm(high: Curve) -> dict[str, Endings]:
    """Make training runs that end well up to a learning rate of 0.3, and with batch normalisation up to another."""
    return {name: usable(lambda b: 0.02, top)["runs"] for name, top in (("none", lambda b: 0.3), ("batch", high))}


def curves(scatter: Curve, level: Curve = lambda b: 1.0) -> dict[str, LossCurves]:
    """Make loss curves that scatter about a level."""
    rng = np.random.default_rng(0)
    table = [level(b) + scatter(b) * rng.normal(size=(8, 200)) for b in SIZES]
    return {"curves": LossCurves(SIZES, np.stack(table))}


def by_optimizer(adam: float, lion: float, muon: float) -> dict[str, Any]:
    """Return what claim 38 reads, from critical batch sizes."""
    return {"sgd": critical(16), "adam": critical(adam), "lion": critical(lion), "muon": critical(muon)}


def rates_by_optimizer(sgd: Curve, adam: Curve) -> dict[str, Any]:
    """Return what claim 44 reads, from the best learning rates of SGD and of all others."""
    others = target_runs(lambda b: 99.0, adam)
    return {"sgd": target_runs(lambda b: 99.0, sgd), "adam": others, "lion": others, "muon": others}


def few_sizes(**curves: Curve) -> dict[str, Endings]:
    """Make the losses that arms of Adam come to at batch sizes from 4 to 256."""
    return {name: losses(curve, sizes=SIZES[:4]) for name, curve in curves.items()}


def grow_or_decay(decaying: float, growing: float) -> dict[str, Endings]:
    """Make validation losses of a learning rate that decays and of a batch that grows; 0.2 with neither."""
    runs = budgets(lambda b: 0.2, growing)
    return runs | {"decaying": budgets(flat, decaying)["growing"]}


def during_training(late: float, far: float) -> dict[str, Any]:
    """Return what claim 41 reads: a noise scale of 10 early, and a critical batch size of 16 to a near target."""
    rng = np.random.default_rng(0)

    def look(scale: float) -> Endings:
        extra = lambda b, lr, seed: {"extra": {"noise_scale": scale * math.exp(0.05 * rng.normal())}}  # noqa: E731
        return endings(extra, sizes=(16,), rates=(0.1,))

    near = replace(critical(16), target=Target("val_loss", 0.3))
    return {"early": look(10), "late": look(late), "near": near, "far": critical(far)}


def data_or_size(own: float, wide: float) -> dict[str, Any]:
    """Return what claim 42 reads: critical batch sizes with all the data, and with the full width; 16 with less."""
    return {"quarter": critical(16), "own": critical(own), "narrow": critical(16), "wide": critical(wide)}


def flat(b: float) -> float:
    return 0.1


def rising(b: float) -> float:
    return 0.1 * b**0.5


def falling(b: float) -> float:
    return 1.0 / b**0.5


def ten_or_hundred(times: Any, activations: float, power: float, accuracy: float) -> dict[str, Any]:
    """Return what claim 30 reads; the accuracy is that of batch size 10, against 0.95."""
    rng = np.random.default_rng(0)
    runs = endings(
        lambda b, lr, seed: {"val_accuracy": (accuracy if b == 10 else 0.95) + 0.002 * rng.normal()},
        sizes=(10, 100),
        rates=(0.03, 0.1, 0.3),
    )
    used, noise = memory(1e5, activations, sizes=(10, 100)), gradient_variance(power, sizes=(10, 100))
    return {"times": times, "memory": used, "noise": noise, "runs": runs}


CASES: list[tuple[int, dict[str, Any], str]] = [
    (1, {"memory": memory(1e5, 1e3)}, "qualified"),
    (1, {"memory": memory(1e5, 1e3, 1e3)}, "supported"),
    (1, {"memory": memory(1e8, 1.0)}, "refuted"),
    (2, {"times": USUAL}, "supported"),
    (2, {"times": SERIAL}, "refuted"),
    (3, {"times": USUAL}, "qualified"),
    (3, {"times": PARALLEL}, "supported"),
    (3, {"times": SERIAL}, "refuted"),
    (3, {"times": step_times(seconds=lambda b: 1e-6 * b**1.5)}, "refuted"),
    (4, {"noise": gradient_variance(-1)}, "supported"),
    (4, {"noise": gradient_variance(0)}, "refuted"),
    (4, {"noise": gradient_variance(0.5)}, "refuted"),
    (5, curves(lambda b: 0.1 / b**0.5), "supported"),
    (5, curves(lambda b: 0.1 / b**0.5, lambda b: 1 / b**0.5), "qualified"),
    (5, curves(flat), "refuted"),
    (5, curves(lambda b: 1e-3 * b**0.5), "refuted"),
    (6, {"runs": HYPERBOLA, "times": USUAL}, "qualified"),
    (6, {"runs": HYPERBOLA, "times": SERIAL}, "supported"),
    (6, {"runs": SCALING, "times": SERIAL}, "refuted"),
    (6, {"runs": CHEAP_SMALL, "times": USUAL}, "refuted"),
    (7, {"runs": HYPERBOLA, "times": USUAL}, "qualified"),
    (7, {"runs": SCALING, "times": PARALLEL}, "supported"),
    (7, {"runs": PLATEAU, "times": PARALLEL}, "refuted"),
    (8, {"runs": HYPERBOLA, "times": USUAL}, "supported"),
    (8, {"runs": HYPERBOLA, "times": PARALLEL}, "qualified"),
    (8, {"runs": SCALING, "times": PARALLEL}, "refuted"),
    (9, {"runs": HYPERBOLA}, "refuted"),
    (9, {"runs": SCALING}, "refuted"),
    (9, {"runs": CHEAP_SMALL}, "supported"),
    (9, {"runs": STUCK}, "not decided"),
    (10, both(rising, rising) | little(rising, rising), "supported"),
    (10, both(rising, flat) | little(rising, flat), "qualified"),
    (10, both(rising, rising) | little(falling, falling), "qualified"),
    (10, both(falling, falling) | little(falling, falling), "refuted"),
    (11, both(flat, falling), "supported"),
    (11, both(rising, falling), "qualified"),
    (11, both(rising, flat), "refuted"),
    (12, both(rising, rising) | little(rising, rising) | decayed(rising), "supported"),
    (12, both(rising, rising) | little(rising, rising) | decayed(flat), "qualified"),
    (12, both(rising, flat) | little(rising, flat) | decayed(flat), "refuted"),
    (13, usable(lambda b: 0.06, lambda b: 0.15 * b**0.5), "supported"),
    (13, usable(lambda b: 0.02 * b**0.5, lambda b: 1.0), "refuted"),
    (14, usable(lambda b: 0.02, lambda b: 0.1 * b**0.5), "supported"),
    (14, usable(lambda b: 0.02, lambda b: 3.0 / b**0.4), "refuted"),
    (14, usable(lambda b: 0.02, lambda b: 1.1), "refuted"),
    (17, {"sgd": target_runs(lambda b: 99.0, lambda b: b / 1e3), "adam": target_runs(lambda b: 99.0, lambda b: b**0.5)},
     "supported"),
    (17, {"sgd": target_runs(lambda b: 99.0, lambda b: b / 1e3), "adam": PLATEAU}, "qualified"),
    (17, {"sgd": PLATEAU, "adam": PLATEAU}, "refuted"),
    (17, {"sgd": target_runs(lambda b: 99.0, lambda b: 1 / b), "adam": PLATEAU}, "refuted"),
    (18, {"powers": powers_of_two(lambda b: 1.0)}, "refuted"),
    (18, {"powers": powers_of_two(lambda b: 1.2)}, "refuted"),
    (18, {"powers": powers_of_two(lambda b: 0.8 if b == 64 else 1.0)}, "qualified"),
    (18, {"powers": powers_of_two(lambda b: 0.8)}, "supported"),
    (20, {"sgd": HYPERBOLA, "adam": target_runs(lambda b: 30 * (1 + 256 / b))}, "supported"),
    (20, {"sgd": NEARLY_SCALING, "adam": target_runs(lambda b: 2 + 16e3 / b, noise=0.001)}, "qualified"),
    (20, {"sgd": HYPERBOLA, "adam": HYPERBOLA}, "refuted"),
    (20, {"sgd": HYPERBOLA, "adam": target_runs(lambda b: 30 * (1 + 16 / b))}, "refuted"),
    (21, {"counts": distinct(lambda b: b, lambda b: min(b, 10))}, "refuted"),
    (21, {"counts": distinct(lambda b: 1.0)}, "refuted"),
    (21, {"counts": distinct(lambda b: b, lambda b: 10 / b)}, "qualified"),
    (21, {"counts": distinct(lambda b: 100 / b, lambda b: 10 / b)}, "supported"),
    (22, {"runs": HYPERBOLA, "times": USUAL, "flops": step_flops(100, 10)}, "qualified"),
    (22, {"runs": HYPERBOLA, "times": SERIAL, "flops": step_flops(100, 10)}, "refuted"),
    (22, {"runs": SCALING, "times": USUAL, "flops": step_flops(100, 1e4)}, "supported"),
    (23, data_sizes(64, 64, 64), "refuted"),
    (23, data_sizes(64, 32, 16), "refuted"),
    (23, data_sizes(16, 20, 26), "qualified"),
    (23, data_sizes(16, 32, 64), "supported"),
    (24, both(rising, rising), "supported"),
    (24, both(rising, flat), "qualified"),
    (24, both(flat, flat), "refuted"),
    (25, {"clean": critical(16), "some": critical(32), "many": critical(64), "own": HYPERBOLA}, "refuted"),
    (25, {"clean": critical(64), "some": critical(64), "many": critical(64), "own": HYPERBOLA}, "refuted"),
    (25, {"clean": critical(64), "some": critical(32), "many": critical(16), "own": HYPERBOLA}, "supported"),
    (25, {"clean": critical(64), "some": critical(32), "many": STUCK, "own": HYPERBOLA}, "not decided"),
    (26, full_batch(HYPERBOLA, lambda b: 40 * (1 + 64 / b), 2.0), "supported"),
    (26, full_batch(HYPERBOLA, lambda b: 40 * (1 + 64 / b), 1e-6), "qualified"),
    (26, full_batch(SCALING, lambda b: 1e6 / b, 2.0), "qualified"),
    (26, full_batch(SCALING, lambda b: 1e6 / b, 1e-6), "refuted"),
    (26, full_batch(STUCK, lambda b: math.inf, 1e-6), "not decided"),
    (27, norms(lambda b: 0.95 - 0.1 * (b > 64), lambda b: 0.95, 3.0), "supported"),
    (27, norms(lambda b: 0.95 - 0.1 * (b > 64), lambda b: 0.95, 1.0), "qualified"),
    (27, norms(lambda b: 0.95, lambda b: 0.97, 0.3), "qualified"),
    (27, norms(lambda b: 0.9, lambda b: 0.97, 1.0), "refuted"),
    (27, norms(lambda b: math.nan, lambda b: math.nan, 3.0), "not decided"),
    (28, {"predictions": predictions(lambda b: 2e-5 + b / 4e6)}, "supported"),
    (28, {"predictions": predictions(lambda b: 1e-3)}, "qualified"),
    (28, {"predictions": predictions(lambda b: b / 1e5)}, "qualified"),
    (29, {"times": step_times(sizes=EVEN_SIZES)}, "refuted"),
    (29, {"times": step_times(sizes=EVEN_SIZES, seconds=lambda b: 1e-4 if b == 96 else 2e-4)}, "supported"),
    (15, {"fixed": sharpness(2), "per_example": sharpness(2), "tuned": sharpness(2)}, "supported"),
    (15, {"fixed": sharpness(2), "per_example": sharpness(1), "tuned": sharpness(1)}, "qualified"),
    (15, {"fixed": sharpness(1), "per_example": sharpness(1), "tuned": sharpness(1)}, "refuted"),
    (15, {"fixed": sharpness(0.5), "per_example": sharpness(1), "tuned": sharpness(0.5)}, "refuted"),
    (15, {"fixed": sharpness(math.nan), "per_example": sharpness(1), "tuned": sharpness(1)}, "not decided"),
    (16, {"escape": escape(0.5, 0.5)}, "supported"),
    (16, {"escape": escape(0.5, 1.0)}, "qualified"),
    (16, {"escape": escape(1.5, 0.5)}, "qualified"),
    (16, {"escape": escape(1.0, 1.0)}, "refuted"),
    (16, {"escape": escape(2.0, 2.0)}, "refuted"),
    (19, budgets(lambda b: 0.1 * (b / 4) ** 0.5, 0.1), "supported"),
    (19, budgets(lambda b: 0.1 * (1 + b / 256), 0.1), "qualified"),
    (19, budgets(lambda b: 0.1 * (1 + b / 256), 0.2), "refuted"),
    (19, budgets(lambda b: math.nan, 0.1), "not decided"),
    (30, ten_or_hundred(step_times(sizes=(10, 100)), 1e3, -1.0, 0.98), "supported"),
    (30, ten_or_hundred(step_times(sizes=(10, 100)), 1e3, -1.0, 0.95), "qualified"),
    (30, ten_or_hundred(step_times(1e-9, 1e5, sizes=(10, 100)), 1.0, 0.0, 0.9), "refuted"),
    (31, more_data(0.8, 0.95, 0.7), "supported"),
    (31, more_data(0.95, 0.95, 0.7), "qualified"),
    (31, more_data(0.8, 0.95, 0.95), "qualified"),
    (31, more_data(0.95, 0.95, 0.95), "refuted"),
    (31, more_data(0.97, 0.95, 0.96), "refuted"),
    (32, {"runs": HYPERBOLA, "times": USUAL} | both(flat, flat), "supported"),
    (32, {"runs": HYPERBOLA, "times": USUAL} | both(flat, lambda b: 0.1 * (1 + (16 < b < 1000))), "qualified"),
    (32, {"runs": SCALING, "times": PARALLEL} | both(flat, lambda b: 0.1 * (1 + (16 < b < 1000))), "refuted"),
    (33, usable_with_norm(lambda b: 1.5), "supported"),
    (33, usable_with_norm(lambda b: 0.3 + (b > 4)), "qualified"),
    (33, usable_with_norm(lambda b: 0.3), "refuted"),
    (34, {"none": input_shift(0.1), "same": input_shift(0.01), "own": input_shift(0.05)}, "supported"),
    (34, {"none": input_shift(0.1), "same": input_shift(0.01), "own": input_shift(0.1)}, "qualified"),
    (34, {"none": input_shift(0.1), "same": input_shift(0.1), "own": input_shift(0.3)}, "refuted"),
    (35, {"use": utilisation(lambda b: b / 2000)}, "supported"),
    (35, {"use": utilisation(lambda b: b / (b + 16))}, "qualified"),
    (35, {"use": utilisation(lambda b: 0.5)}, "refuted"),
    (36, {"runs": SCALING, "times": USUAL, "exchange": exchange(1e-9)}, "supported"),
    (36, {"runs": HYPERBOLA, "times": USUAL, "exchange": exchange(9e-7)}, "qualified"),
    (36, {"runs": HYPERBOLA, "times": USUAL, "exchange": exchange(1.0)}, "refuted"),
    (37, from_sizes(16, 64, 64), "supported"),
    (37, from_sizes(16, 64, 640), "qualified"),
    (37, from_sizes(64, 64, 64), "refuted"),
    (38, by_optimizer(16, 64, 64), "supported"),
    (38, by_optimizer(16, 16, 64), "qualified"),
    (38, by_optimizer(64, 64, 64), "refuted"),
    (38, by_optimizer(64, 16, 16), "refuted"),
    (39, few_sizes(short=rising, usual=lambda b: 0.1 * (1 + (b == 4)), long=flat), "supported"),
    (39, few_sizes(short=flat, usual=flat, long=flat), "qualified"),
    (39, few_sizes(short=falling, usual=falling, long=falling), "refuted"),
    (40, grow_or_decay(0.1, 0.1), "supported"),
    (40, grow_or_decay(0.1, 0.05), "qualified"),
    (40, grow_or_decay(0.2, 0.2), "qualified"),
    (40, grow_or_decay(0.1, 0.2), "refuted"),
    (41, during_training(100, 64), "supported"),
    (41, during_training(100, 16), "qualified"),
    (41, during_training(10, 16), "refuted"),
    (42, data_or_size(64, 16), "supported"),
    (42, data_or_size(64, 64), "qualified"),
    (42, data_or_size(16, 64), "refuted"),
    (43, few_sizes(usual=flat, lower=lambda b: 0.1 / (1 + (b == 256)), higher=flat), "supported"),
    (43, few_sizes(usual=flat, lower=lambda b: 0.05, higher=flat), "qualified"),
    (43, few_sizes(usual=flat, lower=flat, higher=rising), "refuted"),
    (44, rates_by_optimizer(lambda b: b / 1e3, lambda b: b**0.5), "supported"),
    (44, rates_by_optimizer(lambda b: b**0.5, lambda b: b**0.5), "qualified"),
    (44, rates_by_optimizer(lambda b: b**0.5, lambda b: b / 1e3), "refuted"),
]  # fmt: skip
"""A claim, results, and the verdict that the rule must come to."""


@pytest.mark.parametrize(("number", "results", "verdict"), CASES, ids=[f"{n}-{v}" for n, _, v in CASES])
def test_the_verdict_follows_the_effect(number, results, verdict):
    finding = judged(number, **results)
    assert finding.verdict == verdict, finding
    assert finding.words.endswith(".") and ".." not in finding.words
    effect = finding.effect
    if verdict != "not decided":
        rounding = 1e-12 * abs(effect.value)  # results without noise have an interval of no width
        assert effect.low - rounding <= effect.value <= effect.high + rounding


@pytest.mark.parametrize("number", CLAIMS)
def test_every_claim_has_a_reversal(number):
    verdicts = {verdict for n, _, verdict in CASES if n == number}
    assert len(verdicts) >= 2, f"claim {number} never changes its mind in CASES"


@pytest.mark.parametrize(("number", "results", "verdict"), CASES, ids=[f"{n}-{v}" for n, _, v in CASES])
def test_judging_is_pure(number, results, verdict):
    first, second = judged(number, **results), judged(number, **results)
    assert repr(first.effect) == repr(second.effect) and first.words == second.words


def test_gradients_without_noise_have_no_slope():
    found = judged(4, noise=replace(gradient_variance(-1), variance=np.zeros((5, 8))))
    assert found.verdict == "not decided" and "in common" in found.words


def test_effects_come_out_as_they_were_put_in():
    finding = judged(9, runs=HYPERBOLA)
    truth = (1024 * (1 + 64 / 1024)) / (4 * (1 + 64 / 4))
    np.testing.assert_allclose(finding.effect.value, truth, rtol=0.05)
    critical = {effect.name: effect for effect in judged(7, runs=HYPERBOLA, times=USUAL).more}
    assert critical["critical batch size Emin/Smin"].low < 64 * 1.1
    slope = judged(17, sgd=target_runs(lambda b: 99.0, lambda b: b / 1e3), adam=PLATEAU)
    np.testing.assert_allclose([slope.effect.value, slope.more[0].value], [1, 0], atol=0.05)
    np.testing.assert_allclose(judged(4, noise=gradient_variance(-1)).effect.value, -1, atol=0.05)
    overhead = judged(2, times=USUAL).more
    np.testing.assert_allclose([effect.value for effect in overhead], [2e-5, 80], rtol=0.1)
    assert math.isclose(judged(1, memory=memory(1e5, 1e3)).effect.value, 1e3, rel_tol=1e-6)
    assert HYPERBOLA.n_train == N


def test_rules_miss_by_what_was_put_in():
    """Where lr* goes as B, the square root is off by the root mean square of log √B about its mean, and more."""
    found = judged(44, **rates_by_optimizer(lambda b: b / 1e3, lambda b: b**0.5))
    off = math.exp(0.5 * np.std(np.log(SIZES)))
    assert "SGD: the linear rule (linear 1.1" in found.words and f"square root {off:.2g}" in found.words


def test_an_optimizer_that_never_got_there_has_no_rule():
    found = judged(44, **(rates_by_optimizer(lambda b: b / 1e3, lambda b: b**0.5) | {"lion": NOWHERE}))
    assert "Lion: unknown" in found.words and found.verdict == "supported"


def test_a_target_that_is_no_farther_says_nothing_of_training():
    results = during_training(100, 64)
    same = judged(41, **(results | {"far": results["near"]}))
    assert set(same.evidence) == {"noise"} and same.verdict == "supported"
    assert "only the noise scale" in same.cautions[0]


def test_a_wish_that_cannot_be_granted_leaves_the_claim_standing():
    """A network without hidden layers has no width to change; what more data do can be said all the same."""
    results = data_sizes(16, 32, 64)
    outcomes = {name: Outcome(result, 1.0) for name, result in results.items()}
    outcomes |= {name: Outcome(Missing("there is no hidden layer"), 0.0) for name in CLAIMS[23].optional}
    found = find(CLAIMS[23], outcomes, np.random.default_rng(0))
    assert found.verdict == "supported" and "width" not in found.words
    outcomes["half"] = Outcome(Missing("the time was up before it was done"), 0.0)
    assert find(CLAIMS[23], outcomes, np.random.default_rng(0)).verdict == "not decided"
