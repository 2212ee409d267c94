"""The claims that are answered, one row each. To add one: write its file, and add it here."""

from __future__ import annotations

from minisgd.lab.claims import (
    c01_memory,
    c02_overhead,
    c03_epoch_time,
    c04_gradient_noise,
    c06_small_converge_faster,
    c07_large_converge_faster,
    c08_large_slow,
    c09_epochs_to_target,
    c15_sharp_minima,
    c16_escape,
    c17_learning_rate,
    c18_powers_of_two,
    c19_growing,
    c20_optimizers,
    c21_diversity,
    c22_compute,
    c23_data_size,
    c25_wrong_labels,
    c26_full_batch,
    c27_normalisation,
    c28_prediction,
    c29_favoured_sizes,
    c31_more_data,
)
from minisgd.lab.claims.claim import Claim

MODULES = (
    c01_memory,
    c02_overhead,
    c03_epoch_time,
    c04_gradient_noise,
    c06_small_converge_faster,
    c07_large_converge_faster,
    c08_large_slow,
    c09_epochs_to_target,
    c15_sharp_minima,
    c16_escape,
    c17_learning_rate,
    c18_powers_of_two,
    c19_growing,
    c20_optimizers,
    c21_diversity,
    c22_compute,
    c23_data_size,
    c25_wrong_labels,
    c26_full_batch,
    c27_normalisation,
    c28_prediction,
    c29_favoured_sizes,
    c31_more_data,
)

CLAIMS: dict[int, Claim] = {module.CLAIM.number: module.CLAIM for module in MODULES}
"""Every claim by its number."""

CONTRADICTIONS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("Faster or slower? Steps, examples and seconds are three axes", (6, 7, 8)),
    ("Overfitting, or a better solution?", (10, 11)),
    ("Which batches are unstable?", (13, 14)),
    ("Is batch size a knob for generalisation?", (24,)),
)
"""What the articles contradict each other about; the last contradicts the Deep Learning Tuning Playbook."""
