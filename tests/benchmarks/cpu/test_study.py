"""Other frameworks repeat the training runs of a study, all or a sample."""

from __future__ import annotations

import json

from numpy.testing import assert_allclose

from benchmarks.cpu import study
from benchmarks.cpu.study import Order


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
