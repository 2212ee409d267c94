"""Batch warmup: it doubles where the local critical batch size says so, and a stop does not show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd as ms
from tests.lab.instruments.noise.test_branches import regression


def go(warmup: ms.BatchWarmup | None = None, **more: object) -> tuple[ms.Run, ms.BatchWarmup]:
    """Train one linear layer from afar, where noise is small beside the gradient, and then among nothing but noise."""
    warmup = warmup or ms.BatchWarmup(2, 16, every=40, seeds=4)
    network = ms.Network(ms.Linear(1, bias=False)).build((3,), dtype="float64")
    network.vector[:] = 3.0
    optimizer = ms.SGD(ms.ScaledByBatch(0.02, reference=2))
    usual = {"optimizer": optimizer, "batch_size": warmup, "callbacks": [warmup], "steps": 160, "dtype": "float64"}
    return ms.train(network, regression(2000, 0), validation=0.1, **usual | more), warmup  # type: ignore[arg-type]


def test_it_doubles_while_the_loss_bears_it_and_the_learning_rate_follows() -> None:
    run, warmup = go()
    assert [step for step, *_ in warmup.samples][:3] == [40, 80, 120]
    sizes = [size for _, size, *_ in warmup.samples]
    for (_, size, value, low), following in zip(warmup.samples, sizes[1:], strict=False):
        assert following == (2 * size if low == 2 * size else size) and value in (None, size, 2 * size)
    assert sizes[1] == 4, "a steep and quiet slope bears more"
    assert run.history[-1]["lr"] == 0.01 * run.history[-1]["batch_size"]


def test_each_measurement_is_the_instrument_s() -> None:
    seen: list[ms.Network] = []

    class Witness(ms.Callback):
        def on_step(self, training) -> None:  # type: ignore[no-untyped-def]
            if training.session.steps == 40:
                seen.append(training.network.copy())

    warmup = ms.BatchWarmup(2, 16, every=40, seeds=4)
    run, _ = go(warmup, callbacks=[Witness(), warmup], steps=41)
    found = ms.local_critical_batch_size(
        seen[0], run.data, ms.SGD(0.02), batch_size=2, factors=(1, 2), seeds=4, loss=run.loss, seed=40
    )
    assert warmup.samples == [(40, 2, found.value, found.low)]


@pytest.mark.parametrize("stop", [39, 40, 41, 100])
def test_a_stop_does_not_show(stop: int, tmp_path: Path) -> None:
    whole, warmup = go(checkpoint=tmp_path / "whole")
    go(checkpoint=tmp_path / "a", steps=stop)
    resumed, again = go(resume=tmp_path / "a")
    assert_array_equal(resumed.network.vector, whole.network.vector)
    assert again.samples == warmup.samples
    last = max((tmp_path / "a").glob("*.json"))
    assert json.loads(last.read_text())["state"]["session"]["size"] == whole.history[-1]["batch_size"]


def test_who_measures_must_be_among_the_callbacks() -> None:
    with pytest.raises(ms.ArgumentError, match="^callbacks must be a list with the BatchWarmup"):
        go(callbacks=[])


@pytest.mark.parametrize(
    ("given", "argument"),
    [
        ({"start": 0}, "start"),
        ({"largest": 1}, "largest"),
        ({"every": 0}, "every"),
        ({"seeds": 1}, "seeds"),
        ({"examples": 8}, "examples"),
        ({"tolerance": 1.0}, "tolerance"),
    ],
)
def test_nonsense_is_refused(given: dict[str, float], argument: str) -> None:
    with pytest.raises(ms.ArgumentError, match=f"^{argument} must be"):
        ms.BatchWarmup(**{"start": 2, "largest": 16} | given)  # type: ignore[arg-type]


def test_it_is_written_as_it_was_made() -> None:
    assert repr(ms.BatchWarmup(2, 16)) == "BatchWarmup(2, 16, every=1000, seeds=8, examples=None, tolerance=0.1)"
    assert np.isfinite(ms.BatchWarmup(2, 16).largest)
