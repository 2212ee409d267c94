"""The recorded pass: its memory is that of a chunk, however many examples there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minisgd as ms
from minisgd.backend import Program
from minisgd.lab.instruments.objective import Objective


def test_memory_is_that_of_a_chunk() -> None:
    rng = np.random.default_rng(0)
    network = ms.Network(ms.Linear(50), ms.ReLU(), ms.Linear(3)).build((4,))

    def size(n: int, chunk: int | None) -> int:
        x = rng.integers(0, 255, (n, 4)).astype(np.uint8)
        return Objective(network, (x, np.arange(n) % 3), chunk=chunk)._real.arena.plan.bytes()

    assert size(1000, 10) == size(5000, 10) < size(1000, 20)
    assert size(100_000, None) == size(200_000, None)


class Counted:
    """A program that counts how often it is replayed."""

    def __init__(self, program: Program) -> None:
        self.program, self.times = program, 0

    def replay(self) -> None:
        self.times += 1
        self.program.replay()


@pytest.mark.parametrize(("chunk", "times"), [(2000, 1), (1000, 6)])
def test_a_single_chunk_is_gathered_once_and_several_every_time(chunk: int, times: int) -> None:
    data = ms.datasets.digits(validation=0.0)
    network = ms.model("linear", data.input_shape, 10).build(data.input_shape)
    objective = Objective(network, data, chunk=chunk)
    programs: dict[int, Any] = objective._real._programs
    counted = [Counted(gather) for gather, _, _ in programs.values()]
    for (b, parts), gather in zip(list(programs.items()), counted, strict=True):
        programs[b] = (gather, *parts[1:])
    for _ in range(3):
        objective.value(objective.start)
    assert sum(gather.times for gather in counted) == times
