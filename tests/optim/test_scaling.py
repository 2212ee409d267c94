"""The rules that carry hyper-parameters from one batch size to another."""

from __future__ import annotations

import pytest
from numpy.testing import assert_allclose

from minisgd.errors import ArgumentError
from minisgd.optim import Cosine, Progress, ScaledByBatch, beta_by_half_life, scale_adam


def at(batch_size: int, fraction: float = 0.0) -> Progress:
    return Progress(step=0, epoch=0.0, fraction=fraction, batch_size=batch_size)


@pytest.mark.parametrize("rule, at_1024, at_64", [("linear", 0.4, 0.025), ("sqrt", 0.2, 0.05)])
def test_the_current_batch_size_counts(rule, at_1024, at_64):
    schedule = ScaledByBatch(0.1, reference=256, rule=rule)
    assert_allclose([schedule(at(b)) for b in (256, 1024, 64)], [0.1, at_1024, at_64], rtol=1e-14)


def test_any_schedule_can_be_scaled():
    assert_allclose(ScaledByBatch(Cosine(0.1), reference=32)(at(64, fraction=0.5)), 0.1, rtol=1e-14)


def test_adam_four_times_larger():
    (beta1, beta2), eps = scale_adam((0.9, 0.999), 1e-8, 4)
    assert_allclose((beta1, beta2, eps), (0.6, 0.996, 5e-9), rtol=1e-14)
    assert_allclose(scale_adam((beta1, beta2), eps, 1 / 4)[0], (0.9, 0.999), rtol=1e-14)


@pytest.mark.parametrize("k, betas", [(10.1, (0.9, 0.999)), (2, (0.5, 0.999)), (1000.5, (0.9999, 0.999))])
def test_adam_cannot_be_scaled_past_its_memory(k, betas):
    with pytest.raises(ArgumentError, match="^k must be below"):
        scale_adam(betas, 1e-8, k)


def test_half_life_in_examples_is_kept():
    assert_allclose(beta_by_half_life(0.95, 512, 1), 0.9998998, atol=5e-8)
    assert_allclose(beta_by_half_life(0.95, 512, 1) ** 512, 0.95, rtol=1e-12)


@pytest.mark.parametrize(
    "make, argument",
    [
        (lambda: ScaledByBatch(0, reference=32), "lr"),
        (lambda: ScaledByBatch(0.1, reference=0), "reference"),
        (lambda: ScaledByBatch(0.1, reference=32, rule="cubic"), "rule"),
        (lambda: scale_adam((0.9, 0.999), 1e-8, 0), "k"),
        (lambda: scale_adam((0.9, 0.999), 0, 2), "eps"),
        (lambda: scale_adam((0.9, 1.0), 1e-8, 2), r"betas\[1\]"),
        (lambda: beta_by_half_life(1.0, 512, 1), "beta"),
        (lambda: beta_by_half_life(0.95, 512, 0), "batch_size"),
        (lambda: beta_by_half_life(0.95, 0, 1), "reference"),
    ],
)
def test_nonsense_is_refused(make, argument):
    with pytest.raises(ArgumentError, match=f"^{argument} must be .*, got .*; .+"):
        make()
