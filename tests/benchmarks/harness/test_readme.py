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
    race["rivals"]["products"] = {"rate": 99.4e3, "low": 99.4e3, "high": 99.4e3}  # a limit, never the fastest
    lost = DOCUMENT | {"date": "2021-01-02", "results": [race]}
    page = f"before\n{readme.BEGIN}\nold table\n{readme.END}\nafter\n"
    written = readme.update(page, [old, new, lost])
    assert "| W1 | 1 | 32 | **60.0** | 40.0 | 1.50 | – | – | – | – | – |" in written
    assert "| W1 | 1 | 128 | 60.0 | **80.0** | 0.75 | 99.4 | – | – | – | – |" in written
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
