"""What benchmarks write: the result files, and the README's tables made from them."""

from __future__ import annotations

import json

import pytest
from numpy.testing import assert_allclose

from benchmarks.cpu import frameworks, growth, study
from benchmarks.cpu.study import Order
from benchmarks.harness import readme, table


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "frameworks.json"
    arguments = ["--workload", "W2", "--batch", "32", "--rivals", "minisgd", "--quick", "--json", str(path)]
    assert frameworks.main(arguments) == 0
    return json.loads(path.read_text())


def test_a_result_says_where_it_comes_from(document):
    facts = {"date", "commit", "dirty", "machine", "versions", "rounds", "window_seconds", "quick", "data"}
    assert document.keys() == {"benchmark", "results", *facts}
    assert document["machine"].keys() == {"cpu", "cores", "caches", "memory_bytes", "system"}
    assert {"python", "minisgd", "numpy", "torch", "jax", "scikit-learn"} <= document["versions"].keys()
    (race,) = document["results"]
    assert (race["workload"], race["batch_size"], race["cores"]) == ("W2", 32, 1)
    assert "minisgd" in table.text([race])


def rivals(ours, theirs):
    race = {"workload": "W1", "batch_size": 32, "cores": 1, "n": 8000, "skipped": [], "targets": []}
    rates = {"minisgd": ours, "torch": theirs}
    each = {name: {"rate": r, "low": r, "high": r} for name, r in rates.items()}
    return race | {"rivals": each, "reference": "torch", "ratios": {n: r / theirs for n, r in rates.items()}}


def test_the_readme_shows_the_latest_wins_and_losses(document):
    old = document | {"date": "2020-01-01", "results": [rivals(1e3, 2e3)]}
    new = document | {"date": "2021-01-01", "results": [rivals(60e3, 40e3)]}
    lost = document | {"date": "2021-01-02", "results": [rivals(60e3, 80e3) | {"batch_size": 128}]}
    page = f"before\n{readme.BEGIN}\nold table\n{readme.END}\nafter\n"
    written = readme.update(page, [old, new, lost])
    assert "| W1 | 1 | 32 | **60.0** | 40.0 | 1.50 | – | – | – | – |" in written
    assert "| W1 | 1 | 128 | 60.0 | **80.0** | 0.75 | – | – | – | – |" in written
    assert written.startswith("before\n") and written.endswith("after\n") and "old table" not in written
    assert readme.update(written, [old, new, lost]) == written
    with pytest.raises(SystemExit, match="markers"):
        readme.update("no markers", [])


def test_the_readme_agrees_with_the_committed_results():
    page = readme.README.read_text(encoding="utf-8")
    documents = readme.load(readme.RESULTS) if readme.RESULTS.is_dir() else []
    if readme.BEGIN not in page or not documents:
        pytest.skip("there are no committed results, or the README has no place for them")
    assert readme.update(page, documents) == page, "run: python -m benchmarks.harness.readme"


def test_the_readme_tells_what_was_extrapolated():
    rival = {"seconds": 80.0, "ratio": 8.0, "extrapolated": True}
    told = readme._study(1, {"trainings": 245, "minisgd": {"seconds": 10.0}, "rivals": {"torch": rival}})
    assert "PyTorch one after the other 80 s (extrapolated from a sample), 8.0 times as long" in told


def test_orders_are_those_of_the_journal(tmp_path):
    curve = [[0, None, 0.1], [6, 1.0, 0.5], [9, 1.0, 0.6], [11, 1.0, 0.7]]
    row = {"batch_size": 4, "lr": 0.1, "seed": 3, "steps": 11, "val_accuracy": 0.7, "curve": curve}
    cells = tmp_path / "cells.jsonl"
    cells.write_text(json.dumps(row) + "\n")
    assert study.read_orders(cells) == [Order(4, 0.1, 3, 11, 3, 0.7)]


def test_a_sample_holds_every_batch_size_and_extrapolation_is_by_steps():
    orders = [Order(b, 0.1, seed, 10 * (seed + 1), 5, None) for b in (1, 64) for seed in range(10)]
    chosen = study.sample(orders, 0.3)
    assert [o.batch_size for o in chosen] == [1] * 3 + [64] * 3
    assert study.sample(orders, 1.0) == orders
    seconds_of_a_step = {1: 0.5, 64: 2.0}
    measured = [
        {"batch_size": o.batch_size, "steps": o.steps, "seconds": o.steps * seconds_of_a_step[o.batch_size]}
        | {"val_accuracy": 0.9}
        for o in chosen
    ]
    found = study.extrapolate(measured, orders)
    assert_allclose(found["seconds"], 550 * 0.5 + 550 * 2.0)
    assert found["extrapolated"] and found["repeated"] == 6
    assert not study.extrapolate(measured[:3] + measured[:3], orders[:6])["extrapolated"]


def test_slopes_are_of_the_upper_half():
    x = [1, 10, 100, 1000]
    assert_allclose(growth.slope(x, [5.0, 5.0, 1e4, 1e6]), 2.0)


def test_growth_writes_curves_and_picture(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install 'minisgd[report]'")
    one = growth.Axis("B", "batch size B", tuple(growth.Point(b, batch_size=b) for b in (1, 4, 16)), "linear in B")
    monkeypatch.setattr(growth, "axes", lambda n, quick: [one])
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")  # and so restored afterwards
    monkeypatch.setattr(growth, "pin", lambda cores: None)  # pytest goes on in this process
    assert growth.main(["--quick", "--out", str(tmp_path)]) == 0
    (curve,) = json.loads((tmp_path / "growth.json").read_text())["curves"]
    assert curve["x"] == [1, 4, 16] and all(s > 0 for s in curve["seconds"])
    assert curve["bytes"] == sorted(curve["bytes"])
    assert (tmp_path / "growth.png").stat().st_size > 1000
