"""``minisgd probe examples``: norms and signal-to-noise of single examples' gradients."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.cli import main


def test_json_is_what_the_instruments_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("probe examples --data digits --model linear --init zeros --json --quiet".split()) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    data = ms.datasets.digits(validation=None)
    net = ms.model("linear", (64,), 10).build((64,), dtype="float64", init=ms.init.Zeros())
    x, y = data.train.x.reshape(len(data), -1) / 16, data.train.y
    residual = np.full((len(x), 10), 0.1) - np.eye(10)[y]  # softmax regression at zero weights
    lengths = np.sqrt((residual**2).sum(1) * ((x**2).sum(1) + 1))
    assert_allclose([found["norm_median"], found["norm_max"]], [np.median(lengths), lengths.max()], rtol=1e-10)
    assert found["largest"][0] == lengths.argmax() and found["examples"] == 1797 and captured.err == ""
    signal = ms.gsnr(net, data)
    assert_allclose([found["gsnr_median"], found["gsnr_mean"]], [signal.median, signal.mean], rtol=1e-10)
    assert_allclose(sum(part["share_of_squared_norm"] for part in found["by_parameter"].values()), 1)


def test_words_and_wrong_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("probe examples --data digits --model mlp-bn:8".split()) == 0
    captured = capsys.readouterr()
    for part in ("gradient norm", "longest", "GSNR", "of |g|²"):
        assert part in captured.out
    assert "1,797 examples, exactly" in captured.err
    assert main("probe examples --data digits --model linear --init ones".split()) == 2
