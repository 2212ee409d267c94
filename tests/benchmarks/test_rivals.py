"""Rivals do the same work: the same losses on the same weights and batches; who is missing is named."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.cpu.rivals import RIVALS, Entry, Task, choose
from benchmarks.harness import race as races
from benchmarks.harness.processes import Failed
from benchmarks.harness.race import TOLERANCE, Pace, check, check_batches, compare, race, summary
from benchmarks.harness.workloads import WORKLOADS, data, weights

SMALL = {"W1": 24, "W1a": 24, "W2": 32, "W3": 10, "W5": 16, "W6": 24}
CASES = [
    (name, workload)
    for name, entry in RIVALS.items()
    for workload in entry.workloads
    if entry.package == "torch" and name != "torch-compile"
] + [("sklearn", "W2"), ("sklearn", "W6")]


@pytest.mark.parametrize(("name", "workload"), CASES)
def test_losses_are_those_of_minisgd(name, workload):
    entry = RIVALS[name]
    pytest.importorskip(entry.package, reason=f"{entry.title}: {entry.package} is not installed")
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


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=lambda w: w.name)
def test_definitions_are_reproducible(workload):
    (x, y), (again, _) = data(workload, n=50), data(workload, n=50)
    np.testing.assert_array_equal(x, again)
    assert x.shape == (50, *workload.input_shape)
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert 0 <= x.min() < x.max() <= 1
    assert all(len(w) == workload.replicas for w in weights(workload).values() if workload.lead)
    assert {b for aims in workload.targets.values() for b in aims} <= set(workload.batch_sizes)


def test_the_normalisations_of_w3_have_scales_of_both_signs():
    drawn = weights(WORKLOADS["W3"])
    assert all((drawn[f"norm{k}.gamma"] < 0).any() and (drawn[f"norm{k}.gamma"] > 0).any() for k in (0, 1))


def test_a_family_names_all_its_forms():
    assert [e.name for e in choose(["torch"])] == [n for n in RIVALS if n == "minisgd" or n.startswith("torch")]
    assert [e.name for e in choose(["jax-scan"])] == ["minisgd", "jax-scan"]
    assert [e.name for e in choose(None)] == list(RIVALS)
    with pytest.raises(SystemExit, match="tensorflow"):
        choose(["tensorflow"])


def test_who_is_not_installed_is_named(monkeypatch):
    absent = Entry("absent", "a framework", "absent_rival", "Absent", "no_such_package", ("W2",))
    monkeypatch.setitem(RIVALS, "absent", absent)
    notes = []
    record = race([RIVALS["minisgd"], absent], Task("W2", 32, n=100), Pace.quick(), notes.append)
    assert record["skipped"] == [{"rival": "absent", "reason": "no_such_package is not installed"}]
    assert "absent skipped: no_such_package is not installed" in notes[0]
    assert record["rivals"].keys() == {"minisgd"}
    found = record["rivals"]["minisgd"]
    assert 0 < found["low"] <= found["rate"] <= found["high"]
    assert found["peak_bytes"] >= found["imported_bytes"] > 0


class Fake:
    """A worker that answers with given losses."""

    def __init__(self, losses):
        self.given = losses

    def ask(self, do, **arguments):
        return {"losses": self.given}

    def stop(self):
        pass


def test_other_losses_are_refused():
    workers = {"minisgd": Fake([[1.0], [0.5]]), "torch": Fake([[1.0], [0.5 + 1e-3]])}
    with pytest.raises(Failed, match="losses differ from minisgd's: torch by 0.00067"):
        check(workers, Task("W2", 32), [])
    for wrong in ([[1.0]], [[1.0], [float("nan")]]):
        with pytest.raises(Failed, match="torch"):
            check({**workers, "torch": Fake(wrong)}, Task("W2", 32), [])
    assert check({**workers, "torch": Fake([[1.0], [0.5]])}, Task("W2", 32), [])["torch"] == 0


def test_disturbed_windows_are_ignored_where_enough_clean_ones_exist():
    clean = [{"rate": r, "foreign": 0.0} for r in (9.0, 10.0, 11.0)]
    disturbed = [{"rate": 1.0, "foreign": 2 * races.FOREIGN}] * 5
    assert summary(clean + disturbed) == {"rate": 10, "low": 9.5, "high": 10.5, "windows": 8, "clean": 3}
    assert summary(clean[:2] + disturbed)["rate"] == 1


def test_ratios_are_to_the_fastest_eager_form_and_targets_need_their_cores():
    rates = {"minisgd": 300.0, "torch": 90.0, "torch-foreach": 100.0, "torch-compile": 200.0, "jax-scan": 250.0}
    found = compare(rates, Task("W1", 32))
    assert found["reference"] == "torch-foreach"
    assert found["ratios"]["minisgd"] == 3
    assert found["targets"] == [
        {"against": "torch-foreach", "target": 1.65, "ratio": 3.0},
        {"against": "jax-scan", "target": 0.95, "ratio": 1.2},
    ]
    assert compare(rates, Task("W1", 32, cores=2))["targets"] == []
    alone = compare({"minisgd": 300.0}, Task("W1", 32))
    assert alone == {"reference": None, "ratios": {}, "targets": []}
