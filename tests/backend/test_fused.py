"""What the GPU runs whole: how many launches are left, and when it keeps to the textbook."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "optim"))

from optimizer_table import LAYOUT, OPTIMIZERS, vector  # noqa: E402

from minisgd.backend import Arena, NumpyOps, Plan, Program  # noqa: E402
from minisgd.backend.cupy_kernels import launch_all  # noqa: E402
from minisgd.backend.cupy_ops import CupyOps  # noqa: E402
from minisgd.optim import SGD  # noqa: E402

ONE = ("SGD", "SGD decay", "SGD momentum", "SGD Nesterov", "Adagrad", "RMSProp", "RMSProp momentum")
TWO = ("Adam", "Adam decay", "AdamW")
"""Their clock ticks first."""


@pytest.fixture
def cuda(fake_cupy) -> CupyOps:
    return CupyOps()


def launches(*programs: Program) -> int:
    """Count what a device is told: the launches of a call to kernels, one for every other call."""
    return sum(len(c.args[0]) if c.function is launch_all else 1 for program in programs for c in program)


def update(optimizer, ops, lead=(), layout=LAYOUT) -> Program:
    arena = Arena(ops, Plan(optimizer.requests(layout, "float32")), lead)
    w, g, lr = (ops.zeros((*lead, n), "float32") for n in (layout.size, layout.size, 1))
    with ops.record() as program:
        optimizer.step(ops, optimizer.buffers(arena, layout, w, g, lr))
    return program


@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_an_update_is_one_launch_of_its_formula(cuda, name):
    for lead in ((), (3,)):
        for layout in (LAYOUT, vector(200_001)):
            assert launches(update(OPTIMIZERS[name], cuda, lead, layout)) == 1 + (name in TWO)


def test_what_somebody_wrote_over_is_left_alone(cuda):
    class Own(SGD):
        """A rule that is not SGD's."""

    assert cuda.whole(Own(0.1), "move").__func__ is SGD.move
    replaced = SGD(0.1)
    replaced.move = replaced.move
    assert cuda.whole(replaced, "move") == replaced.move
    assert cuda.whole(SGD(0.1), "move").__func__ is not SGD.move


def test_the_cpu_runs_every_method_as_it_is_written():
    optimizer = SGD(0.1)
    assert NumpyOps().whole(optimizer, "move") == optimizer.move
    assert np.all([call.op != "update" for call in update(optimizer, NumpyOps())])
