"""What every optimizer refuses, and how it says so."""

from __future__ import annotations

import numpy as np
import pytest

from minisgd.errors import ArgumentError, DtypeError
from minisgd.optim import (
    LAMB,
    LARS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    ClipNorm,
    Cosine,
    Lion,
    Muon,
    RMSProp,
    ScheduleFreeAdamW,
    ScheduleFreeSGD,
    SignSGD,
)  # fmt: skip

CLASSES = (SGD, Adagrad, RMSProp, Adam, AdamW, LARS, LAMB, SignSGD, Lion, Muon, ScheduleFreeSGD, ScheduleFreeAdamW)


@pytest.mark.parametrize("optimizer", CLASSES)
@pytest.mark.parametrize("lr", [0, -0.1, float("nan"), float("inf"), "0.1", None, True, [0.1], Cosine])
def test_learning_rate(optimizer, lr):
    with pytest.raises(ArgumentError, match="^lr must be a.* number.*, got .*; .+") as caught:
        optimizer(lr)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("optimizer", CLASSES)
@pytest.mark.parametrize("decay", [-1e-4, float("nan"), "5e-4", True])
def test_weight_decay(optimizer, decay):
    with pytest.raises(ArgumentError, match="^weight_decay must be"):
        optimizer(0.1, weight_decay=decay)


@pytest.mark.parametrize("optimizer", [SGD, RMSProp, LARS, ScheduleFreeSGD])
@pytest.mark.parametrize("momentum", [-0.1, 1, 1.5, float("nan"), "0.9", None])
def test_momentum(optimizer, momentum):
    with pytest.raises(ArgumentError, match=r"^momentum must be a number in \[0, 1\)"):
        optimizer(0.1, momentum=momentum)


@pytest.mark.parametrize("optimizer", [Adam, AdamW, LAMB, Lion, Muon, ScheduleFreeAdamW])
@pytest.mark.parametrize("betas", [0.9, (0.9,), (0.9, 1.0), (-0.1, 0.9), ("0.9", 0.9), "ab", (0.9, 0.99, 0.999), None])
def test_betas(optimizer, betas):
    with pytest.raises(ArgumentError, match=r"^betas"):
        optimizer(0.1, betas=betas)


@pytest.mark.parametrize("optimizer", [Adagrad, RMSProp, Adam, AdamW, LAMB, ScheduleFreeAdamW])
@pytest.mark.parametrize("eps", [0, -1e-8, float("nan"), "1e-8"])
def test_eps(optimizer, eps):
    with pytest.raises(ArgumentError, match="^eps must be a positive number"):
        optimizer(0.1, eps=eps)


@pytest.mark.parametrize(
    "make, argument",
    [
        (lambda: SGD(0.1, nesterov=True), "nesterov"),
        (lambda: SGD(0.1, momentum=0.9, nesterov=1), "nesterov"),
        (lambda: RMSProp(0.1, alpha=1.0), "alpha"),
        (lambda: LARS(0.1, trust=0.0), "trust"),
        (lambda: ClipNorm(0.0), "max_norm"),
        (lambda: ClipNorm(-1.0), "max_norm"),
        (lambda: ClipNorm(float("nan")), "max_norm"),
        (lambda: ClipNorm("1"), "max_norm"),
    ],
)
def test_the_others(make, argument):
    with pytest.raises(ArgumentError, match=f"^{argument} must be"):
        make()


def test_a_wrong_type_is_a_dtype_error():
    with pytest.raises(DtypeError, match="lr must be a positive number, got 0.1; try"):
        SGD("0.1")


def test_numpy_numbers_are_numbers():
    optimizer = SGD(np.float32(0.5), momentum=np.float32(0.5))
    assert isinstance(optimizer.momentum, float)
    assert optimizer.schedule(None) == 0.5
