"""The rules that carry hyper-parameters from one batch size to another."""

from __future__ import annotations

import pytest
from numpy.testing import assert_allclose

from minisgd.errors import ArgumentError
from minisgd.optim import (
    LARS,
    SCALING_RULES,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Cosine,
    Group,
    Lion,
    Muon,
    Progress,
    RMSProp,
    ScaledByBatch,
    ScheduleFreeAdamW,
    ScheduleFreeSGD,
    SignSGD,
    beta_by_half_life,
    nanochat_preset,
    scale_adam,
    scaled,
)


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


# ---------------------------------------------------------------- rules as objects


def decayed(optimizer, update, steps):
    """The weight after so many steps of AdamW's decay with a given update in place of Adam's."""
    w = 0.0
    for _ in range(steps):
        w = (1 - optimizer.lr * optimizer.weight_decay) * w + optimizer.lr * update
    return w


def test_each_rule_changes_what_its_formula_says():
    at_64 = AdamW(0.01, betas=(0.9, 0.99), weight_decay=0.1)
    to = {rule: scaled(at_64, reference=64, batch_size=256, rule=rule) for rule in SCALING_RULES}
    assert to["linear"] == AdamW(0.04, betas=(0.9, 0.99), weight_decay=0.1)
    assert to["sqrt"] == AdamW(0.02, betas=(0.9, 0.99), weight_decay=0.1)
    assert_allclose([*to["malladi"].betas, to["malladi"].eps, to["malladi"].lr], [0.6, 0.96, 5e-9, 0.02], rtol=1e-12)
    assert_allclose([*to["half-life"].betas, to["half-life"].lr], [0.9, 0.99**4, 0.01], rtol=1e-12)
    assert_allclose([to["time-scale"].weight_decay, to["time-scale"].lr], [0.4, 0.01], rtol=1e-12)


def test_the_time_scale_in_epochs_stays():
    """With a frozen update w is an exponential average of rate lr λ: after e^-1 epochs it has gone as far (1e-3)."""
    before = AdamW(0.001, weight_decay=0.1)
    after = scaled(before, reference=64, batch_size=256, rule="time-scale")
    steps = 8000
    assert_allclose(decayed(after, 1.0, steps // 4) * 4, decayed(before, 1.0, steps), rtol=1e-3)


def test_schedule_free_adamw_has_a_half_life_and_a_time_scale():
    at_64 = ScheduleFreeAdamW(0.01, betas=(0.9, 0.99), weight_decay=0.1)
    half_life, time_scale = (scaled(at_64, reference=64, batch_size=256, rule=r) for r in ("half-life", "time-scale"))
    assert half_life == ScheduleFreeAdamW(0.01, betas=(0.9, 0.99**4), weight_decay=0.1)
    assert time_scale == ScheduleFreeAdamW(0.01, betas=(0.9, 0.99), weight_decay=0.4)


def test_rmsprop_has_an_average_to_shorten():
    at_64 = RMSProp(0.01, alpha=0.99)
    malladi, half_life = (scaled(at_64, reference=64, batch_size=256, rule=rule) for rule in ("malladi", "half-life"))
    assert_allclose([malladi.lr, malladi.alpha, malladi.eps], [0.02, 0.96, 5e-9], rtol=1e-12)
    assert half_life == RMSProp(0.01, alpha=0.99**4)


def test_the_time_scale_of_groups_stays_too():
    groups = {"*.b": Group(weight_decay=0), "output.*": Group(lr_factor=2), "*": Group(weight_decay=0.1)}
    moved = scaled(AdamW(groups=groups, weight_decay=0.2), reference=64, batch_size=256, rule="time-scale").groups
    assert moved == groups | {"*": Group(weight_decay=0.4)} and list(moved) == list(groups)


def test_a_schedule_is_scaled_at_every_step():
    moved = scaled(SGD(Cosine(0.1)), reference=32, batch_size=128)
    assert_allclose([moved.schedule(at(128, f)) for f in (0.0, 0.5)], [0.4, 0.2])


def test_adaptive_optimizers_go_with_the_root_by_default():
    for kind, lr in (
        (SGD, 0.4),
        (ScheduleFreeSGD, 0.4),
        (RMSProp, 0.2),
        (Adagrad, 0.2),
        (LARS, 0.2),
        (Adam, 0.2),
        (Lion, 0.2),
        (SignSGD, 0.2),
        (Muon, 0.2),
        (ScheduleFreeAdamW, 0.2),
    ):
        assert_allclose(scaled(kind(0.1), reference=16, batch_size=64).lr, lr)


@pytest.mark.parametrize(
    "call, argument",
    [
        (lambda: scaled(SGD(0.1), reference=0, batch_size=64), "reference"),
        (lambda: scaled(SGD(0.1), reference=32, batch_size=1.5), "batch_size"),
        (lambda: scaled(SGD(0.1), reference=32, batch_size=64, rule="cubic"), "rule"),
        (lambda: scaled(SGD(0.1), reference=32, batch_size=64, rule="half-life"), "rule .*Adam, AdamW"),
        (lambda: scaled(Adam(0.1), reference=32, batch_size=64, rule="time-scale"), "rule .*Muon"),
        (lambda: scaled(Adam(0.1), reference=32, batch_size=640, rule="malladi"), "k "),
        (lambda: scaled("adam", reference=32, batch_size=64), "optimizer"),
    ],
)
def test_rules_refuse_what_they_cannot_scale(call, argument):
    with pytest.raises(ArgumentError, match=f"^{argument}"):
        call()


def test_the_preset_of_nanochat():
    """At the reference nothing changes; twelve times the data are 12^0.383 times the batch."""
    assert nanochat_preset(1e9, lr=0.02, weight_decay=0.2, reference_examples=1e9) == (2**19, 0.02, 0.2)
    assert nanochat_preset(5e4, lr=0.1, weight_decay=0, reference_examples=5e4, reference_batch=64) == (64, 0.1, 0)
    batch, lr, decay = nanochat_preset(12e9, lr=0.02, weight_decay=0.2, reference_examples=1e9)
    assert_allclose([batch, lr, decay], [2**19 * 12**0.383, 0.02 * 12**0.1915, 0.2 * 12 ** (0.1915 - 1)], rtol=1e-12)
