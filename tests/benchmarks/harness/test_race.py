"""A race: who is missing is named, other losses are refused, disturbed windows do not count."""

from __future__ import annotations

import pytest

from benchmarks.cpu.rivals import RIVALS, Entry, Task
from benchmarks.harness import race as races
from benchmarks.harness.processes import Failed
from benchmarks.harness.race import Pace, check, compare, race, summary


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
        {"against": "jax-scan", "target": 1.0, "ratio": 1.2},
    ]
    assert compare(rates, Task("W1", 32, cores=2))["targets"] == []
    alone = compare({"minisgd": 300.0}, Task("W1", 32))
    assert alone == {"reference": None, "ratios": {}, "targets": []}
