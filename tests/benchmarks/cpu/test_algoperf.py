"""The table of optimizers and batch sizes to a fixed target."""

from __future__ import annotations

import json

import pytest

from benchmarks.cpu import algoperf


def row(optimizer: str, size: int, *steps: float | None) -> dict:
    taken = {unit: list(steps) for unit in algoperf.UNITS}
    return {"optimizer": optimizer, "batch_size": size, "lr": 0.1, "lr_on_edge": False, "reached": 5, **taken}


def test_who_cannot_be_told_from_the_fewest_is_marked_too(capsys):
    rows = [row("SGD", 16, 100.0, 90.0, 110.0), row("Adam", 16, 80.0, 70.0, 95.0), row("Lion", 16, 300.0, 280.0, None),
            row("Muon", 16, None, None, None)]  # fmt: skip
    assert algoperf.fewest(rows, "steps") == {("SGD", 16), ("Adam", 16)}
    assert algoperf.fewest(rows[3:], "steps") == set()
    about = {"task": "digits", "model": "mlp:64", "n_train": 1437, "target": "95%", "left_open": {"SGD": ["Too late."]}}
    algoperf.tell(about | {"rows": rows})
    told = capsys.readouterr().out
    assert "80 (70 – 95)*" in told and "300 (280 – ∞) " in told and "not reached " in told and "SGD: Too late." in told


@pytest.mark.slow
def test_the_quick_race_writes_every_row(tmp_path, monkeypatch):
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")  # and so restored afterwards
    monkeypatch.setattr(algoperf, "pin", lambda cores: None)  # pytest goes on in this process
    assert algoperf.main(["--quick", "--json", str(tmp_path / "race.json")]) == 0
    (result,) = json.loads((tmp_path / "race.json").read_text())["results"]
    found = {(r["optimizer"], r["batch_size"]) for r in result["rows"]}
    assert found == {(name, size) for name in ("SGD, momentum 0.9", "Adam") for size in algoperf.QUICK_SIZES}
    assert all(r["seconds"][0] > 0 and r["examples"][0] == r["steps"][0] * r["batch_size"] for r in result["rows"])
