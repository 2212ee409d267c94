"""Rules that carry an optimizer tuned at one batch size to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

from minisgd.checks import is_word
from minisgd.errors import ArgumentError
from minisgd.optim.adagrad import Adagrad
from minisgd.optim.adamw import AdamW
from minisgd.optim.checks import count, non_negative, positive
from minisgd.optim.lars import LARS
from minisgd.optim.lion import Lion
from minisgd.optim.moments import MomentOptimizer
from minisgd.optim.optimizer import Optimizer
from minisgd.optim.rmsprop import RMSProp
from minisgd.optim.scaling import ScaledByBatch, beta_by_half_life, scale_adam
from minisgd.optim.schedule_free import ScheduleFreeAdamW
from minisgd.optim.sign_sgd import SignSGD

ADAPTIVE = (MomentOptimizer, RMSProp, Adagrad, LARS, SignSGD, Lion, ScheduleFreeAdamW)
"""A gradient twice as large takes them no farther: where it is mostly noise, their steps grow with √B by themselves."""


@dataclass(frozen=True)
class ScalingRule:
    """What a batch k = B / reference times larger changes.

    Args:
        formula: The change, as it is printed.
        source: Paper and section.
        change: Of an optimizer, the reference and B: the new settings by name.
        suits: The optimizers that have what it changes.
        whom: They, in words.
    """

    formula: str
    source: str
    change: Callable[[Any, int, int], Mapping[str, Any]]
    suits: tuple[type[Optimizer], ...] = (Optimizer,)
    whom: str = "all optimizers"


def _linear(o: Optimizer, reference: int, size: int) -> Mapping[str, Any]:
    if callable(o.lr):
        return {"lr": ScaledByBatch(o.lr, reference=reference)}
    return {"lr": o.lr * size / reference}


def _sqrt(o: Optimizer, reference: int, size: int) -> Mapping[str, Any]:
    if callable(o.lr):
        return {"lr": ScaledByBatch(o.lr, reference=reference, rule="sqrt")}
    return {"lr": o.lr * sqrt(size / reference)}


def _malladi(o: MomentOptimizer | RMSProp, reference: int, size: int) -> Mapping[str, Any]:
    if isinstance(o, RMSProp):
        (alpha, _), eps = scale_adam((o.alpha, o.alpha), o.eps, size / reference)
        return {**_sqrt(o, reference, size), "alpha": alpha, "eps": eps}
    betas, eps = scale_adam(o.betas, o.eps, size / reference)
    return {**_sqrt(o, reference, size), "betas": betas, "eps": eps}


def _half_life(o: MomentOptimizer | RMSProp | ScheduleFreeAdamW, reference: int, size: int) -> Mapping[str, Any]:
    if isinstance(o, RMSProp):
        return {"alpha": beta_by_half_life(o.alpha, reference, size)}
    return {"betas": (o.betas[0], beta_by_half_life(o.betas[1], reference, size))}


def _time_scale(o: AdamW | SignSGD | Lion | ScheduleFreeAdamW, reference: int, size: int) -> Mapping[str, Any]:
    k = size / reference
    groups = o.groups and {
        name: replace(g, weight_decay=g.weight_decay and g.weight_decay * k) for name, g in o.groups.items()
    }
    return {"weight_decay": o.weight_decay * k, "groups": groups}


SCALING_RULES: dict[str, ScalingRule] = {
    "linear": ScalingRule("lr · k", "Goyal et al. 2017, section 2.1", _linear),
    "sqrt": ScalingRule("lr · √k", "Krizhevsky 2014, arXiv 1404.5997", _sqrt),
    "malladi": ScalingRule(
        "lr · √k, 1 − β ← k (1 − β), ε / √k",
        "Malladi et al. 2022, definition 5",
        _malladi,
        (MomentOptimizer, RMSProp),
        "Adam, AdamW, LAMB, Muon and RMSProp",
    ),
    "half-life": ScalingRule(
        "β₂ ← β₂ᵏ",
        "Marek et al. 2025, arXiv 2507.07101",
        _half_life,
        (MomentOptimizer, RMSProp, ScheduleFreeAdamW),
        "Adam, AdamW, LAMB, Muon, RMSProp and schedule-free AdamW",
    ),
    "time-scale": ScalingRule(
        "weight decay · k, so that τ = B / (lr λ N) stays",
        "Bergsma et al. 2025, arXiv 2505.13738",
        _time_scale,
        (AdamW, SignSGD, Lion, ScheduleFreeAdamW),
        "AdamW, Muon, signSGD, Lion and schedule-free AdamW",
    ),
}
"""By their names on the command line."""


def usual_rule(optimizer: Optimizer) -> str:
    """Return the name of the rule for an optimizer: "sqrt" for adaptive ones, "linear" for the others."""
    return "sqrt" if isinstance(optimizer, ADAPTIVE) else "linear"


def scaled(optimizer: Optimizer, *, reference: int, batch_size: int, rule: str | None = None) -> Optimizer:
    """Carry an optimizer tuned at one batch size to another.

    k = batch_size / reference

    - "linear": lr · k (Goyal et al. 2017, section 2.1)
    - "sqrt": lr · √k (Krizhevsky 2014)
    - "malladi": lr · √k, 1 − β ← k (1 − β), ε / √k, for Adam and RMSProp (Malladi et al. 2022, definition 5)
    - "half-life": β₂ ← β₂ᵏ, the same half-life in examples, for Adam and RMSProp (Marek et al. 2025)
    - "time-scale": weight decay · k at the same lr, the same τ = B / (lr λ N) epochs, for decoupled decay (Bergsma
      et al. 2025)

    Args:
        optimizer: As tuned at the reference batch size.
        reference: The batch size at which it was tuned.
        batch_size: B, the new batch size.
        rule: One of the names above; by default "linear" for SGD and schedule-free SGD, "sqrt" for all others, which
            scale the gradient by its own size.

    Returns:
        A copy with the settings that the rule gives.

    Raises:
        ArgumentError: For an unknown rule, one that does not suit the optimizer, or averages that cannot be shortened.
    """
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError("optimizer", expected="an optimizer", got=optimizer, fix="for example ms.Adam(lr=0.001)")
    count("reference", reference, "give the batch size at which lr was tuned, such as 64")
    count("batch_size", batch_size, "use an integer such as 512")
    name = usual_rule(optimizer) if rule is None else rule
    if not is_word(name, SCALING_RULES):
        raise ArgumentError("rule", expected=f"one of {', '.join(SCALING_RULES)}", got=repr(rule), fix="leave it out")
    found = SCALING_RULES[name]
    if not isinstance(optimizer, found.suits):
        expected, got = f"one that suits {type(optimizer).__name__}", f"{name!r}, which is for {found.whom}"
        raise ArgumentError("rule", expected=expected, got=got, fix=f"use {usual_rule(optimizer)!r}")
    return replace(optimizer, **found.change(optimizer, reference, batch_size))


def nanochat_preset(
    examples: float, *, lr: float, weight_decay: float, reference_examples: float, reference_batch: float = 2**19
) -> tuple[float, float, float]:
    """Return batch size, learning rate and weight decay for a training run on so many examples.

    B = B_ref (D / D_ref)^0.383,   lr · √(B / B_ref),   λ · √(B / B_ref) · D_ref / D

    Exponent and B_ref = 2¹⁹ are those of nanochat (scripts/base_train.py) for language models, where examples are
    tokens; elsewhere they are a guess that a study should check. Nanochat takes the nearest power of two for B, and lr
    and λ from that.

    Args:
        examples: D, examples (tokens) that the training run will see.
        lr: Learning rate, tuned at the reference.
        weight_decay: λ, tuned at the reference.
        reference_examples: D_ref, examples that the training runs behind lr and λ saw.
        reference_batch: B_ref, their batch size, the best one for them.

    Returns:
        B (not rounded), lr and λ.
    """
    ratio = positive("examples", examples, "such as 1e9") / positive(
        "reference_examples", reference_examples, "such as 1e9"
    )
    root = sqrt(ratio**0.383)
    return (
        positive("reference_batch", reference_batch, "such as 2**19") * ratio**0.383,
        positive("lr", lr, "such as 0.001") * root,
        non_negative("weight_decay", weight_decay, "0.1 is customary") * root / ratio,
    )
