"""What stands in folders: a training run's report, comparisons, and the page of what is under way."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import urllib.error
import urllib.request
from html import unescape
from importlib.util import find_spec

import pytest

from minisgd.cli import main
from minisgd.errors import ArgumentError, DataError
from minisgd.files import holder_of
from minisgd.lab import words
from minisgd.lab.runs import serve as serving
from minisgd.lab.runs.compare import compare
from minisgd.lab.runs.folder import read_folder
from minisgd.lab.runs.training import context, rows, shown
from tests.lab.study import synthetic_study

pytestmark = pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Train twice, with two learning rates, as the command line does."""
    folder = tmp_path_factory.mktemp("runs")
    for name, lr in (("a", "0.1"), ("b", "0.5")):
        command = ["train", "--data", "digits", "--model", "linear", "--epochs", "3", "--lr", lr, "--quiet"]
        assert main([*command, "--out", str(folder / name)]) == 0
    return folder


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    result = synthetic_study.study()
    result.save(folder / "sgd")
    dataclasses.replace(result, optimizer="Adam").save(folder / "adam")
    synthetic_study.partial().save(folder / "loss")
    return folder


def test_report_of_a_training_run_has_the_figures_of_the_terminal(runs, capsys):
    html = unescape((runs / "a" / "report.html").read_text("utf-8"))
    about = json.loads((runs / "a" / "train.json").read_text("utf-8"))
    assert all(f'<dd class="number">{text}</dd>' in html for _, text in rows(about))
    assert f"{100 * about['val_accuracy']:.2f}% validation accuracy after 3 epochs" in html
    assert about["command"] in html and html.count("<svg ") == 6 and html.count("<tr>") == 1 + 3
    assert len(html) < 1_000_000


def test_a_page_shows_as_many_evaluations_as_fit_and_the_best(runs):
    about = json.loads((runs / "a" / "train.json").read_text("utf-8"))
    record = read_folder(runs / "a").lines[0]
    history = [record | {"step": k, "val_loss": 1.0 - (k == 777)} for k in range(5000)]
    few = shown(history)
    assert (few[0]["step"], few[-1]["step"]) == (0, 4999) and 777 in [each["step"] for each in few] and len(few) == 300
    assert shown(history[:300]) == history[:300]
    page = context(about, history, "runs/a")
    assert page["cautions"] == ["300 of 5,000 evaluations are shown; history.jsonl has all."]
    assert sum(len(text) for plot in page["plots"] for _, text in plot.drawn()) < 1_500_000


def test_history_stands_there_while_it_grows(tmp_path):
    from minisgd.cli.train.outcome import GrowingHistory

    first = GrowingHistory(tmp_path, None)
    for step in (10, 20, 30):
        first.add({"step": step})
        first._written = -1e9  # as if a second had passed
    resumed = GrowingHistory(tmp_path, tmp_path)
    resumed.add({"step": 20})  # from the checkpoint at step 10
    assert [line["step"] for line in map(json.loads, (tmp_path / "history.jsonl").read_text().splitlines())] == [10, 20]


def test_training_runs_side_by_side(runs, tmp_path, capsys):
    page = tmp_path / "compared.html"
    assert main(["compare", str(runs / "a"), str(runs / "b"), "--out", str(page)]) == 0
    told = capsys.readouterr().out
    assert told.split("\n")[:2] == ["what differs    a    b", "lr            0.1  0.5"]
    accuracies = [dict(rows(read_folder(runs / name).about))["validation accuracy"] for name in "ab"]
    assert all(text in told and text in page.read_text("utf-8") for text in accuracies)


def test_studies_side_by_side_name_the_setting_and_the_interval(studies, tmp_path):
    found = compare([studies / "sgd", studies / "adam"])
    fit = synthetic_study.study().fit
    assert found.settings == [("optimizer", ["SGD with momentum 0.9", "Adam"])] and found.cautions == []
    interval = words.interval(fit.b_crit_low, fit.b_crit_high, words.size)
    assert dict(found.found)["Bcrit, 95%"] == [interval] * 2
    html = found.save(tmp_path / "page.html").read_text("utf-8")
    assert html.index("What differs in the settings") < html.index("<svg ") < html.index("What was found")
    assert f"{words.size(fit.b_crit)} (95% interval {interval})" in html


@pytest.mark.parametrize(
    "names, error, why",
    [
        (["sgd"], ArgumentError, "two or more"),
        (["sgd", "loss"], ArgumentError, "the same metric"),
        (["sgd", "RUN"], ArgumentError, "only studies, or only training runs"),
        (["sgd", "nowhere"], DataError, "the folder of --out"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(studies, runs, names, error, why):
    with pytest.raises(error, match=why):
        compare([runs / "a" if name == "RUN" else studies / name for name in names])


def test_a_folder_given_twice_and_one_of_claims_are_refused(runs, tmp_path):
    with pytest.raises(ArgumentError, match="the same one twice"):
        compare([runs / "a", runs / "b" / ".." / "a"])
    (tmp_path / "journal.json").write_text("{}")
    (tmp_path / "training-runs").mkdir()
    with pytest.raises(DataError, match="got that of 'minisgd claims'"):
        compare([runs / "a", tmp_path])


def test_other_processors_are_named_and_warned_of(studies, tmp_path):
    result = synthetic_study.study()
    dataclasses.replace(result, environment=result.environment | {"processor": "another"}).save(tmp_path / "there")
    (caution,) = compare([studies / "sgd", tmp_path / "there"]).cautions
    assert caution.startswith("The machines differ")


def test_watching_what_has_ended_names_its_report(runs, capsys):
    assert main(["watch", str(runs / "a")]) == 0
    assert f"open {runs / 'a' / 'report.html'} in a browser" in capsys.readouterr().out
    assert main(["watch", str(runs / "a"), str(runs / "b")]) == 2
    assert "must follow an option of 'minisgd watch'" in capsys.readouterr().err


def test_a_run_that_is_not_finished_is_refused(runs, tmp_path):
    (tmp_path / "train.json").write_text('{"command": "minisgd train", "stopped": null}')
    with pytest.raises(ArgumentError, match="not finished.*minisgd train"):
        compare([runs / "a", tmp_path])


@pytest.fixture
def watched(tmp_path):
    """Let this process have a folder with a study that has finished two training runs; serve its page."""
    (tmp_path / "lock").write_text(f"{os.getpid()}\n")
    (tmp_path / "journal.json").write_text(json.dumps({"settings": {"device": "cpu"}, "facts": {}}))
    cell = {"batch_size": 16, "lr": 0.1, "steps_to_target": 120.0, "reached": True}
    missed = cell | {"lr": 1.0, "steps_to_target": None, "reached": False}
    lines = [json.dumps(cell), json.dumps(missed), '{"batch_si']  # the last is just being written
    (tmp_path / "cells.jsonl").write_text("\n".join(lines))
    told, known = [], threading.Event()

    def announce(address: str) -> None:
        told.append(address)
        known.set()

    thread = threading.Thread(target=serving.serve, args=(tmp_path, announce), daemon=True)
    thread.start()
    assert known.wait(60)
    yield told[0], tmp_path, thread
    (tmp_path / "lock").unlink(missing_ok=True)
    thread.join(60)
    assert not thread.is_alive()


def test_watching_serves_one_path_of_this_machine_until_the_run_ends(watched, monkeypatch):
    address, folder, _ = watched
    monkeypatch.setattr(serving, "LAST_LOOK", 0.5)
    assert address.startswith("http://127.0.0.1:") and len(address.split("/")[3]) > 30
    with urllib.request.urlopen(address, timeout=60) as answer:
        html, version = answer.read().decode(), answer.headers["ETag"]
    assert "2 training runs finished, 1 reached the target" in html and "connect-src 'self'" in html
    assert "batch size 16, learning rate 0.1, 120 steps" in html
    refused = [
        (address[:-3], {}, 404),
        (address.rsplit("/", 2)[0] + "/", {}, 404),
        (address, {"Host": "elsewhere.example"}, 404),
        (address, {"If-None-Match": version}, 304),
    ]
    for url, headers, code in refused:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60)
        assert caught.value.code == code
        caught.value.close()


def test_the_holder_of_a_folder_is_a_process_that_lives(tmp_path):
    assert holder_of(tmp_path) is None
    (tmp_path / "lock").write_text(f"{os.getpid()}\n")
    assert holder_of(tmp_path) == os.getpid()
    (tmp_path / "lock").write_text("999999999\n")
    assert holder_of(tmp_path) is None


def test_watch_without_a_folder_says_what_to_type(capsys):
    assert main(["watch"]) != 0
    assert "minisgd watch runs/a" in capsys.readouterr().err
