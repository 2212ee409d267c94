"""Twenty wrong uses, each answered with what was expected and how to mend it."""

from __future__ import annotations

import numpy as np
import pytest

import minisgd as ms
from minisgd.data.synthetic import gaussian_blobs

DATA = gaussian_blobs(400, 5, 3, 3.0, seed=0)
NETWORK = ms.Network(ms.Linear(8), ms.ReLU(), ms.Linear(3))
RNG = np.random.default_rng(0)


def broken() -> ms.Network:
    net = ms.Network(ms.Linear(3)).build((5,))
    net.vector[0] = np.nan
    return net


def one_class() -> tuple[np.ndarray, np.ndarray]:
    return RNG.normal(size=(200, 5)), np.zeros(200, int)


CASES = {
    "unknown number": ({"only": [310]}, ms.ArgumentError, "numbers of claims, got 310; did you mean"),
    "a word": ({"only": ["nine"]}, ms.ArgumentError, "choose among 1, 2"),
    "a number in quotes": ({"only": ["9"]}, ms.ArgumentError, r"got 9; leave the quotes out: only=\[9\]"),
    "a truth": ({"only": [True]}, ms.ArgumentError, "numbers of claims"),
    "no claims": ({"only": []}, ms.ArgumentError, "leave it out"),
    "no budget": ({"budget": 0}, ms.ArgumentError, "write '5min'"),
    "negative budget": ({"budget": "-5min"}, ms.ArgumentError, "write '5min'"),
    "unknown unit": ({"budget": "5 parsecs"}, ms.ArgumentError, "write '5min'"),
    "budget that is no number": ({"budget": float("nan")}, ms.ArgumentError, "write '5min'"),
    "no seeds": ({"seeds": 0}, ms.ArgumentError, "from 1 to 1000"),
    "half a seed": ({"seeds": 7.5}, ms.ArgumentError, "from 1 to 1000"),
    "negative seed": ({"seed": -1}, ms.ArgumentError, "an integer ≥ 0"),
    "no threads": ({"threads": 0}, ms.ArgumentError, "positive integer"),
    "no network": ({"network": "mlp:8"}, ms.DtypeError, "wrap the layers"),
    "weights that are not finite": ({"network": broken()}, ms.DataError, "describe it anew"),
    "too few outputs": ({"network": ms.Network(ms.Linear(2))}, ms.ShapeError, "ms.Linear"),
    "no data": ({"data": None}, ms.DtypeError, "try ms.datasets.digits"),
    "empty data": ({"data": (np.zeros((0, 5)), np.zeros(0, int))}, ms.DataError, "at least"),
    "few examples": ({"data": (RNG.normal(size=(60, 5)), np.arange(60) % 3)}, ms.DataError, "add examples"),
    "one class": ({"data": one_class(), "network": ms.Network(ms.Linear(1))}, ms.DataError, "two classes"),
    "data that are not finite": ({"data": (np.full((200, 5), np.nan), np.arange(200) % 3)}, ms.DataError, "finite"),
    "unknown dtype": ({"dtype": "float16"}, ms.ArgumentError, "float32"),
    "unknown device": ({"device": "gpu"}, ms.MinisgdError, "cpu"),
    "unlike loss": ({"loss": ms.MeanSquaredError()}, ms.MinisgdError, "MeanSquaredError"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_uses_are_refused_before_any_work(case, tmp_path):
    wrong, error, fix = CASES[case]
    arguments = {"network": NETWORK, "data": DATA, "only": [9], "seeds": 5, "out": tmp_path / "out"} | wrong
    with pytest.raises(error, match=fix):
        ms.claims(arguments.pop("network"), arguments.pop("data"), **arguments)
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ms.OutputError, match="choose another folder"):
        ms.claims(NETWORK, DATA, only=[9], seeds=5, out=tmp_path / "file")


def test_the_folder_of_another_run(tmp_path):
    ms.claims(NETWORK, DATA, only=[4], seeds=5, out=tmp_path)
    with pytest.raises(ms.ArgumentError, match="other seeds"):
        ms.claims(NETWORK, DATA, only=[4], seeds=6, out=tmp_path)
