"""What the other hyper-parameters become when the batch is k times larger."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import sqrt
from typing import Literal

from minisgd.checks import as_items, is_word
from minisgd.errors import ArgumentError
from minisgd.optim.checks import count, decay_rate, positive
from minisgd.optim.learning_rate import LearningRateSchedule, as_schedule
from minisgd.optim.progress import Progress

RULES = ("linear", "sqrt")


@dataclass(frozen=True)
class ScaledByBatch:
    """Scale a learning rate tuned at a reference batch size to the current one, k = B / reference.

    Args:
        lr: A number or a schedule, tuned at the reference batch size.
        reference: The batch size at which lr was tuned.
        rule: "linear", lr · k, for SGD (Goyal et al. 2017, section 2.1); "sqrt", lr · √k, for Adam (Malladi et al.
            2022).
    """

    lr: float | LearningRateSchedule
    _: KW_ONLY
    reference: int
    rule: Literal["linear", "sqrt"] = "linear"

    def __post_init__(self) -> None:
        as_schedule(self.lr, "lr")
        count("reference", self.reference, "give the batch size at which lr was tuned, such as 256")
        if not is_word(self.rule, RULES):
            raise ArgumentError(
                "rule", expected=" or ".join(map(repr, RULES)), got=self.rule, fix="'linear' suits SGD, 'sqrt' Adam"
            )

    def __call__(self, progress: Progress) -> float:
        k = progress.batch_size / self.reference
        return as_schedule(self.lr)(progress) * (k if self.rule == "linear" else sqrt(k))


def scale_adam(betas: tuple[float, float], eps: float, k: float) -> tuple[tuple[float, float], float]:
    """Return Adam's (β₁, β₂) and ε for a batch k times larger: 1 − β ← k(1 − β), ε ← ε / √k.

    Goes with lr · √k. Malladi et al. 2022, definition 5.

    Args:
        betas: β₁ and β₂ at the batch size that they were tuned for.
        eps: ε at that batch size.
        k: The new batch size over the old one.

    Returns:
        The betas, and ε.

    Raises:
        ArgumentError: If k(1 − β) ≥ 1, where no such average exists.
    """
    positive("k", k, "give the ratio of new to old batch size")
    positive("eps", eps, "1e-8 is customary")
    if len(as_items(betas, "betas", "two numbers", "write (0.9, 0.999)")) != 2:
        raise ArgumentError("betas", expected="two numbers", got=repr(betas), fix="write (0.9, 0.999)")
    for i, beta in enumerate(betas):
        decay_rate(f"betas[{i}]", beta, "(0.9, 0.999) is customary")
        if k * (1 - beta) >= 1:
            raise ArgumentError(
                "k", expected=f"below 1 / (1 - betas[{i}]) = {1 / (1 - beta):.6g}", got=k, fix="use a smaller batch"
            )
    beta1, beta2 = (1 - k * (1 - beta) for beta in betas)
    return (beta1, beta2), eps / sqrt(k)


def beta_by_half_life(beta: float, reference: int, batch_size: int) -> float:
    """Return the decay rate with the same half-life in examples at another batch size: β^(B / reference).

    Marek et al. 2025: β₂ = 0.95 at B = 512 is 0.9998998 at B = 1.

    Args:
        beta: The decay rate at the reference batch size.
        reference: The batch size at which beta was tuned.
        batch_size: B, the new batch size.

    Returns:
        The decay rate at B.
    """
    decay_rate("beta", beta, "0.95 is customary at large batches")
    k = count("batch_size", batch_size, "use an integer such as 32") / count("reference", reference, "such as 512")
    return float(beta**k)
