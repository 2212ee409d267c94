"""The comparison with the frameworks: its result file says where it comes from."""

from __future__ import annotations

import json

import pytest

from benchmarks.cpu import frameworks
from benchmarks.harness import table


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
