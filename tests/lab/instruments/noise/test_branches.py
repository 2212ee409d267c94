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
    """E ½ (wx − y)² after SGD on Gaussian features, with E w² by its recursion, coordinate by coordinate.

    The covariance of one gradient h w + noise is h² w² + h Σ h w² + σ² h, as E x xᵀ A x xᵀ = 2 HAH + H tr(HA).
    """
    square, h = start**2, CURVATURE
    for _ in range(steps):
        noise = h**2 * square + h * (h @ square) + SIGMA**2 * h
        square = (1 - lr * h) ** 2 * square + lr**2 / batch * noise
    return 0.5 * (h @ square + SIGMA**2)


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
        ({"factors": (1, 1000)}, "factors"),
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


def test_the_command(capsys) -> None:
    line = "probe local --data digits --model linear --lr 0.05 --batch-size 4 --factors 1,4 --seeds 2 --quiet".split()
    assert main(line) == 0
    assert "local critical batch size" in capsys.readouterr().out
    assert main([*line, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["batch_sizes"] == [4, 16]
    assert main([*line, "--scaling", "half-life"]) == 2
    assert "--scaling" in capsys.readouterr().err
