"""Rivals do the same work: the same losses on the same weights and batches."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.cpu.rivals import RIVALS, Task, choose
from benchmarks.harness.race import TOLERANCE, check_batches
from benchmarks.harness.workloads import WORKLOADS

SMALL = {"W1": 24, "W1a": 24, "W2": 32, "W3": 10, "W5": 16, "W6": 24, "W7": 16, "W8": 24, "W9": 24}
CASES = [
    (name, workload)
    for name, entry in RIVALS.items()
    for workload in entry.workloads
    if entry.package == "torch" and name != "torch-compile"
] + [("sklearn", "W2"), ("sklearn", "W6"), ("hand", "W2")]


@pytest.mark.parametrize(("name", "workload"), CASES)
def test_losses_are_those_of_minisgd(name, workload):
    entry = RIVALS[name]
    if not entry.installed:
        pytest.skip(f"{entry.title}: {entry.package} is not installed")
    task = Task(workload, SMALL[workload], n=100)  # no multiple of any of these: short batches are among the steps
    orders, steps = check_batches(task)
    ours = RIVALS["minisgd"].start(task).losses(orders, steps)
    theirs = entry.start(task).losses(orders, steps)
    assert ours.shape == theirs.shape == (steps, WORKLOADS[workload].replicas)
    assert np.max(np.abs(theirs - ours) / (1 + np.abs(ours))) < TOLERANCE
    assert np.ptp(ours) > 0


@pytest.mark.parametrize("workload", WORKLOADS)
def test_minisgd_counts_its_examples(workload):
    task = Task(workload, SMALL[workload], n=100)
    rival = RIVALS["minisgd"].start(task)
    steps = -(-task.n // task.batch_size)
    assert rival.run(steps) == 100 * WORKLOADS[workload].replicas


@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_limit_runs_the_products_of_a_step_and_nothing_else(workload):
    limit = RIVALS["products"].start(Task(workload, SMALL[workload], n=100))
    limit.tune()
    assert limit.run(3) == 3 * SMALL[workload] * WORKLOADS[workload].replicas
    ops = [call.op for program in limit.programs for call in program]
    layers = len(WORKLOADS[workload].widths) + len(WORKLOADS[workload].channels)
    assert set(ops) <= {"matmul", "affine"} and len(ops) >= layers


def test_a_family_names_all_its_forms():
    assert [e.name for e in choose(["torch"])] == [n for n in RIVALS if n == "minisgd" or n.startswith("torch")]
    assert [e.name for e in choose(["jax-scan"])] == ["minisgd", "jax-scan"]
    assert [e.name for e in choose(None)] == list(RIVALS)
    with pytest.raises(SystemExit, match="tensorflow"):
        choose(["tensorflow"])
