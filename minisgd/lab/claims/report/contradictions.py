"""What the articles contradict each other about, and how far both can be right: said from what this run found.

A paragraph is put together from intervals: an effect is there where its interval excludes no effect.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from minisgd.lab import words
from minisgd.lab.claims.claim import Effect, Finding
from minisgd.lab.claims.experiments.generalisation_gap import HALF


@dataclass(frozen=True)
class Contradiction:
    """Claims that contradict each other, or a third party.

    resolve: from their findings, in order, to a paragraph
    """

    title: str
    numbers: tuple[int, ...]
    resolve: Callable[..., str]

    def both(self, findings: Sequence[Finding]) -> str:
        """Say how far both can be right, where every claim was measured."""
        if all(math.isfinite(finding.effect.value) for finding in findings):
            return self.resolve(*findings)
        return "Not everything that this needs was measured in this run."


def three_axes(small: Finding, large: Finding, slow: Finding) -> str:
    """State on which axes the largest batch needs less than the smallest, and on which more."""
    found = [("steps", large.effect), ("examples", small.effect), ("seconds", _named(small, "seconds"))]
    fewer, more, level = (
        [f"{_times(effect)} the {axis}" for axis, effect in found if _way(effect) == way] for way in (-1, 1, 0)
    )
    parts = ((fewer, "fewer"), (more, "more"), (level, "no clear difference"))
    ratios = [f"{words.join(part)} ({how})" for part, how in parts if part]
    said = f"Against the smallest batch, the largest one needs {words.join(ratios)}."
    if fewer and more:
        return f"{said} Both sides are right, each on its own axis; which one matters is what you pay for."
    return f"{said} Here the axes agree, and so only one side is right."


def overfitting(risk: Finding, better: Finding) -> str:
    """State which gap is there before and after tuning and time, and on whose count the solution is better."""
    before, after = _named(risk, "tuned learning rate, little data"), risk.effect
    per_step, per_epoch = better.effect, better.more[0]
    said = (
        f"On unseen examples the largest batch has {_times(before)} the loss of the smallest in the same few "
        f"epochs, and {_times(after)} after longer training. On the training examples it has {_times(per_step)} "
        f"the loss at equal steps and {_times(per_epoch)} at equal epochs."
    )
    if _way(per_step) < 0 < _way(per_epoch):
        said += " So both can be seen as true: large batches go further per step and less far per epoch."
    if _way(before) > 0 and after.high < math.exp(HALF):
        said += " What looks like overfitting is a training run that was too short."
    return said


def stability(narrow: Finding, highest: Finding) -> str:
    """State whether the range of usable learning rates shifts, and whether it narrows."""
    width, top, bottom = narrow.effect, highest.effect, highest.more[0]
    said = (
        f"The highest usable learning rate of the largest batch is {_times(top)} that of the smallest, the lowest "
        f"{_times(bottom)}; its range is {abs(width.value):.2f} decades {'wider' if width.value > 0 else 'narrower'}."
    )
    if _way(top) > 0 and width.high <= 0:
        return f"{said} At one high rate the small batch fails first, as both say; tuned, it is the one with more room."
    if _way(top) > 0 and width.low > 0:
        return f"{said} Both say the same here, and both are right."
    return f"{said} The range does not shift upwards and narrow at once, so there is nothing to reconcile here."


def generalisation(tuned: Finding) -> str:
    """The finding against the Deep Learning Tuning Playbook."""
    enough, short = tuned.effect, tuned.more[0]
    said = (
        "The Deep Learning Tuning Playbook advises against tuning batch size for validation performance: with all else "
        "tuned and enough steps, every batch size can reach the same. "
    )
    endings = {
        "supported": "Here some batch size stays behind with its rate tuned and enough steps, against the Playbook.",
        "qualified": "Here both hold: within few epochs batch size decides, with enough steps it no longer does.",
        "refuted": "Here the Playbook is right in few epochs as well.",
        "not decided": "This run cannot tell whether that holds here.",
    }
    if math.isfinite(enough.value):
        said += f"{enough.name}: {words.signed(enough.value)}; {short.name}: {words.signed(short.value)}. ".capitalize()
    return said + endings[tuned.verdict]


def _way(effect: Effect) -> int:
    """Return whether a ratio is above 1, below 1, or neither for sure."""
    return 1 if effect.low > 1 else -1 if effect.high < 1 else 0


def _times(effect: Effect) -> str:
    return f"{words.signed(effect.value)} times"


def _named(finding: Finding, text: str) -> Effect:
    """Return the first further effect whose name has a text in it."""
    return next(effect for effect in finding.more if text in effect.name)


CONTRADICTIONS = (
    Contradiction("Faster or slower? Steps, examples and seconds are three axes", (6, 7, 8), three_axes),
    Contradiction("Overfitting, or a better solution?", (10, 11), overfitting),
    Contradiction("Which batches are unstable?", (13, 14), stability),
    Contradiction("Is batch size a knob for generalisation?", (24,), generalisation),
)
"""The last contradicts the Deep Learning Tuning Playbook."""
