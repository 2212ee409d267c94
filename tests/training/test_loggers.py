"""Training runs written down."""

from __future__ import annotations

import csv
import json

import pytest

import minisgd as ms

DATA, NET = ms.datasets.digits(validation=0.2).subset(100), ms.Network(ms.Linear(10))


def train(*callbacks, **options):
    return ms.train(NET, DATA, callbacks=callbacks, **{"epochs": 3} | options)


def test_csv_and_lines_of_json_say_what_the_history_says(tmp_path):
    table, lines = tmp_path / "new" / "log.csv", tmp_path / "log.jsonl"
    run = train(ms.CSVLogger(table), ms.JSONLinesLogger(lines), metrics=["f1"])
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == run.history["val_loss"]
    assert [float(row["val_f1"]) for row in rows] == run.history["val_f1"]
    assert [json.loads(line) for line in lines.read_text().splitlines()] == list(run.history)


def test_a_resumed_run_goes_on_in_the_same_file_and_a_new_one_begins_it_anew(tmp_path):
    log, folder = tmp_path / "log.jsonl", tmp_path / "run"
    train(ms.JSONLinesLogger(log), checkpoint=folder)
    train(ms.JSONLinesLogger(log), resume=folder, epochs=5)
    assert [json.loads(line)["epoch"] for line in log.read_text().splitlines()] == [1, 2, 3, 4, 5]
    train(ms.JSONLinesLogger(log))
    assert len(log.read_text().splitlines()) == 3


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ms.OutputError, match="log "):
        train(ms.CSVLogger(tmp_path))


def test_rates_are_recorded_at_every_update():
    rates = ms.RateRecorder()
    run = train(rates, optimizer=ms.SGD(ms.Cosine(0.1)), batch_size=ms.GrowBatch(20, 40, every=1))
    assert rates.steps == list(range(1, run.steps + 1))
    assert rates.lr[0] == 0.1 and rates.lr == sorted(rates.lr, reverse=True)
    assert set(rates.batch_sizes) == {20, 40}


def test_tensorboard_gets_every_evaluation(tmp_path):
    pytest.importorskip("tensorboardX")
    train(ms.TensorBoardLogger(tmp_path))
    assert [path.name for path in tmp_path.iterdir() if "tfevents" in path.name]


def test_without_tensorboardx_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ms.MissingExtraError, match=r"minisgd\[tensorboard\]"):
        ms.TensorBoardLogger(tmp_path)
