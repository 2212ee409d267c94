"""The legs of the GPU check on the double: that they run and notice what is wrong, not how fast they are."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.gpu import agreement as gpu_agreement
from benchmarks.gpu import growth as gpu_growth
from benchmarks.gpu import race as gpu_race
from benchmarks.gpu import study as gpu_study
from benchmarks.gpu import tasks as gpu_tasks
from benchmarks.gpu.dry import Leg


@pytest.fixture
def leg(tmp_path) -> Leg:
    """Return a leg with all the time there is: however busy the machine, nothing is left out."""
    return Leg(tmp_path / "rows.jsonl", math.inf, dry=True)


def read(leg):
    return [json.loads(line) for line in leg.file.read_text().splitlines()]


def test_every_optimizer_agrees_with_the_cpu(fake_cupy, leg, monkeypatch):
    monkeypatch.setattr(gpu_agreement, "models", lambda models=gpu_agreement.models: {"cnn": models()["cnn"]})
    assert gpu_agreement.main(leg) == 0
    rows = read(leg)
    assert len(rows) == len(gpu_agreement.OPTIMIZERS) and all(row["difference"] <= 1e-9 for row in rows)


def test_every_optimizer_of_the_package_is_compared():
    import minisgd as ms
    from minisgd.optim import Optimizer

    public = {value for name in ms.__all__ if isinstance(value := getattr(ms, name), type)}
    known = {type(optimizer) for optimizer in gpu_agreement.OPTIMIZERS.values()}
    assert known == {kind for kind in public if issubclass(kind, Optimizer) and kind is not Optimizer}


def test_disagreement_and_failure_are_noticed(fake_cupy, leg, monkeypatch):
    import minisgd as ms

    monkeypatch.setattr(gpu_agreement, "TOLERANCE", 0.0)
    broken = {"sgd": ms.SGD(lr=0.1), "wild": ms.SGD(lr=1e300)}
    monkeypatch.setattr(gpu_agreement, "OPTIMIZERS", broken)
    assert gpu_agreement.main(leg) == 1
    assert any("error" in row for row in read(leg))
    apart = next(row for row in read(leg) if row.get("difference", 0) > 0)
    assert 1 <= apart["first_step"] <= apart["steps"]


def test_the_first_step_apart_is_found():
    for first in (1, 2, 7, 10):
        assert gpu_agreement.first_step_apart(lambda steps, first=first: float(steps >= first), 10) == first


def test_a_framework_is_one_process_for_all_races(monkeypatch):
    class Process:
        ended = None
        poll = lambda self: self.ended  # noqa: E731

    class Framework:
        def __init__(self, package, dry):
            self.package, self.process, self.stopped = package, Process(), False

        def stop(self):
            self.stopped = True

    monkeypatch.setattr(gpu_race, "Framework", Framework)
    with gpu_race.frameworks(dry=True) as started:
        first = started("torch")
        assert started("torch") is first and started("jax").package == "jax"
        first.process.ended = 1
        again = started("torch")
        assert again is not first
    assert again.stopped


def test_what_does_not_begin_in_time_is_named(leg, fake_cupy):
    late = replace(leg, seconds=-1.0)
    assert gpu_agreement.main(late) == 0 and {row["skipped"] for row in read(late)} == {"no time left"}
    assert gpu_growth.main(late) == 0 and {row["skipped"] for row in read(late)} == {"no time left"}
    assert gpu_race.main(late) == 0 and {row["skipped"] for row in read(late)} == {"no time left"}


@pytest.mark.slow
def test_the_batch_grows_as_far_as_the_memory_limit(fake_cupy, leg, monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_growth, "SECONDS_EACH", 0.01)
    assert gpu_growth.main(leg) == 0
    rows = read(leg)
    assert [row["batch_size"] for row in rows] == [1, 4]
    assert all(row["fastest"] <= row["seconds"] <= row["slowest"] and row["feed"] == "ResidentFeed" for row in rows)
    sizes = gpu_growth.batch_sizes(1 << 30)
    assert sizes[0] == 1 and all(b == 2 * a for a, b in zip(sizes, sizes[1:], strict=False)) and sizes[-1] > 1 << 14
    gpu_growth.draw([*rows, {"name": "batch 64", "batch_size": 64, "error": "x"}], "a device", tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 5000


@pytest.mark.slow
def test_the_study_tells_of_both_devices(fake_cupy, leg, monkeypatch, known_step_times):
    from minisgd.lab.study import pilot_runs

    monkeypatch.setattr(pilot_runs, "STEPS", 40)
    assert gpu_study.main(leg) == 0
    there, here = read(leg)
    assert (there["name"], here["name"]) == ("study on cuda", "study on cpu")
    assert there["batch_size"] == here["batch_size"] and there["lr"] == here["lr"]


# ------------------------------------------------ the race


def test_races_are_in_the_order_of_their_worth_and_say_their_precision():
    found = gpu_tasks.tasks(dry=False)
    assert [task.workload for task in found[:4]] == ["G1", "G2", "G3", "G3"]
    assert [task.precision for task in found[:4]] == ["full", "full", "full", "tf32"]
    assert found[0].spec.widths == (512, 512, 10) and found[1].spec.replicas == 64
    assert all(task.n >= 2 * task.batch_size for task in found)
    x, y = gpu_tasks.made_up(gpu_tasks.tasks(dry=True)[0])
    assert x.dtype == np.float32 and len(x) == len(y) == 40


def test_a_rival_that_is_not_installed_is_named(fake_cupy, monkeypatch):
    task = gpu_tasks.tasks(dry=True)[0]
    entries = {
        "minisgd": gpu_tasks.ENTRIES["minisgd"],
        "jax": replace(gpu_tasks.ENTRIES["jax"], package="no_such_package"),
    }
    monkeypatch.setattr(gpu_race, "ENTRIES", entries)
    with gpu_race.frameworks(dry=True) as started:
        row = gpu_race.race(task, gpu_race.Pace.quick(), started)
    assert row["skipped_rivals"] == [{"rival": "jax", "reason": "no_such_package is not installed"}]
    assert list(row["rivals"]) == ["minisgd"] and row["rivals"]["minisgd"]["rate"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("position", [1, -1])
def test_rivals_that_are_installed_compute_the_same_losses(fake_cupy, monkeypatch, position):
    pytest.importorskip("torch")
    task = gpu_tasks.tasks(dry=True)[position]
    with gpu_race.frameworks(dry=True) as started:
        row = gpu_race.race(task, gpu_race.Pace.quick(), started)
    assert {"torch", "torch-vmap"} & set(row["rivals"])
    assert all(figures["loss_difference"] <= 1e-4 for figures in row["rivals"].values())


def test_targets_stand_beside_what_was_reached():
    task = gpu_tasks.tasks(dry=False)[0]
    rates = {"minisgd": 6.0, "torch": 2.0, "torch-graph": 8.0}
    found = gpu_race.targets(task, rates, {"minisgd": {"step_seconds": 6e-5}})
    assert found[0] == {"against": "torch", "target": 5.0, "ratio": 3.0}
    assert found[1]["ratio"] == 0.75 and found[2] == {"step_microseconds": pytest.approx(60), "at_most": 50.0}


def test_both_flags_of_tf32_are_set_either_way():
    torch = pytest.importorskip("torch")
    from benchmarks.gpu.torch_rivals import settle

    before = torch.get_float32_matmul_precision()
    for precision, allowed in (("tf32", True), ("full", False)):
        settle(precision)
        assert torch.backends.cudnn.allow_tf32 is allowed and torch.backends.cuda.matmul.allow_tf32 is allowed
    torch.set_float32_matmul_precision(before)
