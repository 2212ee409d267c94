"""A whole training step of every workload, gathering and update included.

pytest benchmarks --benchmark-only
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.cpu.rivals.minisgd_rival import Minisgd
from benchmarks.cpu.rivals.rival import Task
from benchmarks.harness.workloads import WORKLOADS

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed: pip install 'minisgd[bench]'")

N = 4096
TRAININGS = [(w.name, b) for w in WORKLOADS.values() if w.kind != "predict" for b in w.batch_sizes]


@pytest.mark.parametrize(("name", "batch_size"), TRAININGS)
def test_step(benchmark, name, batch_size):
    rival = Minisgd(Task(name, batch_size, n=N // batch_size * batch_size))  # no short batch: every step is the same
    try:
        rival.sessions[0].step()
        benchmark.extra_info["examples"] = batch_size * rival.workload.replicas
        benchmark(rival.sessions[0].step)
        assert np.isfinite(rival.sessions[0].take_train_loss()).all()
    finally:
        rival.contexts.close()


@pytest.mark.parametrize("batch_size", WORKLOADS["W6"].batch_sizes)
def test_prediction(benchmark, batch_size):
    rival = Minisgd(Task("W6", batch_size, n=N))
    try:
        logits = benchmark(rival.inference.predict, rival.x[:batch_size])
        assert np.isfinite(logits).all()
    finally:
        rival.contexts.close()
