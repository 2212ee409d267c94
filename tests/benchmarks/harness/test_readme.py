"""The tables of benchmarks/README.md, made from result files."""

from __future__ import annotations

import pytest

from benchmarks.harness import readme

DOCUMENT = {
    "benchmark": "frameworks",
    "quick": False,
    "commit": "0123456789",
    "dirty": False,
    "machine": {"cpu": "a processor", "cores": 2, "caches": {"L1d": "48K"}, "memory_bytes": 1 << 34, "system": "Linux"},
    "versions": {"python": "3.11", "minisgd": "0.1.0", "numpy": "2.0", "torch": None},
}
"""What a result file says beside its date and results."""


def rivals(ours, theirs):
    race = {"workload": "W1", "batch_size": 32, "cores": 1, "n": 8000, "skipped": [], "targets": []}
    rates = {"minisgd": ours, "torch": theirs}
    each = {name: {"rate": r, "low": r, "high": r} for name, r in rates.items()}
    return race | {"rivals": each, "reference": "torch", "ratios": {n: r / theirs for n, r in rates.items()}}


def test_the_readme_shows_the_latest_wins_and_losses():
    old = DOCUMENT | {"date": "2020-01-01", "results": [rivals(1e3, 2e3)]}
    new = DOCUMENT | {"date": "2021-01-01", "results": [rivals(60e3, 40e3)]}
    race = rivals(60e3, 80e3) | {"batch_size": 128}
    race["rivals"]["jax-scan"] = {"rate": 50e3, "low": 50e3, "high": 50e3}
    race["rivals"]["products"] = {"rate": 99.4e3, "low": 99.4e3, "high": 99.4e3}  # a limit, never the fastest
    lost = DOCUMENT | {"date": "2021-01-02", "results": [race]}
    page = f"before\n{readme.BEGIN}\nold table\n{readme.END}\nafter\n"
    written = readme.update(page, [old, new, lost])
    assert "| W1 | 1 | 32 | **60.0** | 40.0 | 1.50 | – | – | – | – | – | – | – |" in written
    assert "| W1 | 1 | 128 | 60.0 | **80.0** | 0.75 | 50.0 | 1.20 | 99.4 | – | – | – | – |" in written
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
    told = readme._study(
        {"data": "the digits", "cores": 1, "trainings": 245, "minisgd": {"seconds": 10.0}, "rivals": {"torch": rival}}
    )
    assert "PyTorch one after the other 80 s (extrapolated from a sample), 8.0 times as long" in told


def test_the_readme_shows_optimizers_and_trackers():
    row = {"optimizer": "SGD", "batch_size": 16, "steps": [100.0, 90.0, None], "seconds": [0.25, 0.2, 0.3]}
    fast = {"optimizer": "Adam", "batch_size": 64, "steps": [9.6, 9.0, 11.0], "seconds": [0.0012, 0.001, 0.0014]}
    never = {"optimizer": "SGD", "batch_size": 64, "steps": [None] * 3, "seconds": [None] * 3}
    task = {"task": "digits", "model": "mlp:64", "target": "95% validation accuracy", "n_train": 1437}
    race = DOCUMENT | {"benchmark": "algoperf", "date": "2021-01-03", "results": [task | {"rows": [row, fast, never]}]}
    tracked = {
        "network": "an MLP",
        "batch_size": 32,
        "callback": "NoiseTracker",
        "added": 0.031,
        "low": 0.02,
        "high": 0.04,
    }
    added = DOCUMENT | {"benchmark": "trackers", "date": "2021-01-03", "results": [tracked]}
    told = readme.tables([race, added])
    assert "| SGD | 100 (90–∞), 250 ms | not reached |" in told
    assert "| Adam | no time left | **10** (9–11), **1.2** ms |" in told
    assert "| an MLP | 32 | NoiseTracker | 3.1% (2.0 – 4.0) |" in told
