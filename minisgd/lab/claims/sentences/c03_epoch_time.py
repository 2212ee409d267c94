"""Claim 3: seconds per epoch against batch size."""

from __future__ import annotations

import math

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, Rule, above, below, every, fails
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.pictures import against_batch
from minisgd.lab.claims.sentences.c02_overhead import step_line
from minisgd.lab.claims.statistics import log_ratio, ratio_of
from minisgd.typing import Generator

RULE = Rule(
    {
        "gain": above("an epoch at the smallest batch takes at least {margin} longer than at the largest", QUARTER),
        "ends": below("the gain ends: the knee t0·r lies below the largest batch", 0.0),
    },
    supported=every("gain", fails("ends")),
    qualified=every("gain"),
)


def judge(rng: Generator, times: StepTimes) -> Finding:
    """Compare the epochs of the largest and the smallest batch, and ask where the gain ends."""
    sizes = np.array(times.batch_sizes, float)
    small, large = times.batch_sizes[0], times.batch_sizes[-1]
    epochs = times.seconds * times.n_train / sizes  # (V, K)
    gain = log_ratio(epochs[:, 0], epochs[:, -1])
    beyond = step_line(times, rng)["knee"]
    evidence = {"gain": gain, "ends": beyond.shifted(-math.log(large))}
    ratio, knee = ratio_of(gain), ratio_of(beyond)
    text = f"An epoch at batch size {large} takes {words.count(1 / ratio.value)} of the time of one at {small}."
    if RULE.statements["gain"].holds(gain):
        ends = RULE.statements["ends"].holds(evidence["ends"])
        text += f" Most of the gain is had by the knee at {words.size(knee.value)}." if ends else ""
        text += " The gain goes on over all batch sizes tried." if ends is False else ""
    effects = [Effect.of(f"epoch at batch size {small} / epoch at {large}", ratio), Effect.of("knee t0·r", knee)]
    return Finding.of(
        RULE,
        evidence,
        effects,
        times.seconds.size,
        text,
        lambda ax: against_batch(ax, times.batch_sizes, epochs.T, "seconds per epoch"),
    )


CLAIM = Claim(
    number=3,
    says="Large batches shorten an epoch.",
    sources=("S3",),
    experiment="Time updates of single networks at every batch size; an epoch is N/B of them.",
    effect="Ratio of the seconds per epoch at the smallest and the largest batch size; 95% over the visits.",
    rule=RULE,
    would_change="A machine without overhead per step, or a batch that falls out of the cache.",
    held_fixed="Network, optimizer, dtype, number of examples.",
    needs={"times": TimeSteps()},
    judge=judge,
    learns=False,
)
