"""What a recorded step takes besides its arrays: an estimate, from how many array calls it records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from minisgd.training.feeds.feed import HostData
from minisgd.training.recipe import Recipe
from minisgd.training.step_programs import StepPrograms

CALL, SESSION = 2_450, 94_000
"""Bytes of an array call: views, arguments and loop, recorded and translated. Bytes of a session without any. Measured
by tracemalloc (CPython 3.11, native executor), as the most that is there at once: a fifth more where an epoch ends with
a shorter batch, whose program is another, a fifth less where none does."""

EXAMPLES = 32
"""Of the batch that is recorded: of many blocks of a batch a program holds hardly more than of a few."""


def program_bytes(recipe: Recipe) -> int:
    """Return about the most bytes that a step takes besides its arrays while it is recorded and translated.

    It is recorded on arrays that are never written, and so need not be in memory.
    """
    b = min(recipe.batch_size, EXAMPLES)
    spec, labels = recipe.feed.spec, recipe.feed.spec.kind == "labels"
    recipe = replace(recipe, batch_size=b, micro_batch=b, communicator=None)
    try:
        x = np.zeros((b, *spec.input_shape), spec.input_dtype)
        y = np.zeros((b, *spec.target_shape), "int64" if labels else recipe.feed.dtype)
        weight = np.zeros(b, recipe.feed.dtype) if spec.weighted else None
        return SESSION + CALL * _Unwritten(recipe, HostData(x, y, weight), seeds=(0,)).calls(b)
    except MemoryError:  # beside arrays that no memory holds it is nothing
        return SESSION


class _Unwritten(StepPrograms):
    """The programs of a network without weights."""

    def _adopt_weights(self) -> None:
        """Leave the arrays as they are."""

    def calls(self, b: int) -> int:
        """Count the calls that are recorded for a batch of b examples."""
        gather, gradient, _ = self.record_gradient(b)
        programs = gather.calls, gradient.calls, self.record_update().calls
        return sum(calls.was_recorded(k) for calls in programs for k in range(len(calls)))
