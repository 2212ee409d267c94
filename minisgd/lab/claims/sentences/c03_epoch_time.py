"""Claim 3: seconds per epoch against batch size."""

from __future__ import annotations

import numpy as np

from minisgd.lab import words
from minisgd.lab.claims.claim import Claim, Effect, Finding
from minisgd.lab.claims.decision import QUARTER, side, verdict_of
from minisgd.lab.claims.experiments.measured import StepTimes, TimeSteps
from minisgd.lab.claims.pictures import Axes, against_batch
from minisgd.lab.claims.sentences.c02_overhead import step_line
from minisgd.lab.claims.statistics import log_ratio, ratio_of
from minisgd.typing import Generator


def judge(rng: Generator, times: StepTimes) -> Finding:
    """Compare the epochs of the largest and the smallest batch, and ask where the gain ends."""
    sizes = np.array(times.batch_sizes, float)
    epochs = times.seconds * times.n_train / sizes  # (V, K)
    gain = log_ratio(epochs[:, 0], epochs[:, -1], rng)
    knee = step_line(times, rng)["knee"]
    overall = side(gain, QUARTER)
    ends = knee.high < sizes[-1]
    verdict = "qualified" if overall == "more" and ends else verdict_of([overall])
    ratio = ratio_of(gain)
    text = (
        f"An epoch at batch size {times.batch_sizes[-1]} takes {words.count(1 / ratio.value)} of the time of one at "
        f"{times.batch_sizes[0]}."
    )
    if overall == "more":
        text += (
            f" Most of the gain is had by the knee at {words.size(knee.value)}."
            if ends
            else " The gain goes on over all batch sizes tried."
        )

    def draw(ax: Axes) -> None:
        against_batch(ax, times.batch_sizes, epochs.T, "seconds per epoch")

    name = f"epoch at batch size {times.batch_sizes[0]} / epoch at {times.batch_sizes[-1]}"
    return Finding(
        verdict,
        Effect.of(name, ratio),
        times.seconds.size,
        text,
        draw,
        (Effect.of("knee t0·r", knee),),
    )


CLAIM = Claim(
    number=3,
    says="Large batches shorten an epoch.",
    sources=("S3",),
    experiment="Time updates of single networks at every batch size; an epoch is N/B of them.",
    effect="Ratio of the seconds per epoch at the smallest and the largest batch size; 95% over the visits.",
    rule="Supported if the ratio is above 1.25 and the gain goes on, the knee t0·r lying beyond the largest batch; "
    "qualified if the knee lies below; refuted if the ratio is within 1.25 of 1 or below.",
    would_change="A machine without overhead per step, or a batch that falls out of the cache.",
    held_fixed="Network, optimizer, dtype, number of examples.",
    needs={"times": TimeSteps()},
    judge=judge,
)
