"""Epoch after epoch as scikit-learn counts them: the curves, the best weights, and when to end."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from minisgd.estimators.solver import AdaptiveRate
from minisgd.training.callbacks import Callback
from minisgd.training.history import Record
from minisgd.training.state import TrainingState
from minisgd.typing import HostArray

SMALLEST_RATE = 1e-6
"""An adaptive learning rate is divided by five down to here."""


@dataclass
class Rule:
    """When a fit ends: after more than ``patience`` epochs in a row that gain less than ``tol``.

    metric: the validation score that counts, None for the training loss   rate: what is divided before that
    lasting: whether the next call goes on with the optimizer's state
    """

    metric: str | None
    tol: float
    patience: int
    rate: AdaptiveRate | None = None
    lasting: bool = False
    verbose: bool = False


@dataclass
class Convergence(Callback):
    """What a fit measured so far, over all calls that belong to it."""

    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    examples: int = 0
    waited: int = 0
    converged: bool = False
    best_loss: float = inf
    best_score: float = -inf
    best: tuple[HostArray, HostArray] | None = None
    """Weights and running statistics of the best score."""
    arrays: dict[str, HostArray] = field(default_factory=dict)
    """What the last update left to the next: the optimizer's state."""

    def follow(self, rule: Rule) -> Convergence:
        """Go on by a rule; a lasting one also with what an adaptive learning rate has become."""
        before = getattr(self, "rule", rule)
        if rule.lasting and rule.rate is not None and before.rate is not None:
            rule.rate.lr = before.rate.lr
        self.rule, self.waited = rule, self.waited if rule.lasting else 0
        return self

    def on_start(self, training: TrainingState) -> None:
        if self.arrays and self.rule.lasting:
            training.session.restore_arrays(self.arrays)

    def on_evaluation(self, training: TrainingState, record: Record) -> bool:
        loss, score = record["train_loss"], record.get(self.rule.metric or "")
        assert loss is not None
        self.losses.append(loss)
        gained = loss <= self.best_loss - self.rule.tol
        self.best_loss = min(self.best_loss, loss)
        if self.rule.metric is not None:
            assert score is not None
            self.scores.append(score)
            gained = score >= self.best_score + self.rule.tol
            if score > self.best_score:
                net = training.network
                self.best_score, self.best = score, (net.ops.to_host(net.vector), net.ops.to_host(net.statistics))
        self.waited = 0 if gained else self.waited + 1
        if self.rule.verbose:
            also = "" if self.rule.metric is None else f", validation score {score:.4f}"
            print(f"epoch {len(self.losses)}: loss {loss:.6f}{also}")
        rate = self.rule.rate
        if self.waited > self.rule.patience and rate is not None and rate.lr > SMALLEST_RATE:
            rate.lr, self.waited = rate.lr / 5, 0
        self.converged = self.waited > self.rule.patience
        return self.converged

    def on_end(self, training: TrainingState) -> None:
        net = training.network
        self.examples += training.session.examples
        if self.rule.lasting:
            self.arrays = training.session.state()["arrays"]
        if self.best is not None and (self.converged or not self.rule.lasting):
            net.ops.upload(self.best[0], out=net.vector)
            net.ops.upload(self.best[1], out=net.statistics)
