"""The check for machines with a GPU, as far as a machine without one can tell: its legs, limits and refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import check as gpu_check
from minisgd.errors import MissingExtraError

GPU = {"name": "a device", "driver": 1}
ROW = {
    "name": "adam",
    "seconds": 2e-6,
    "share_of_peak": 0.5,
    "kernels": {"tick": {"seconds": 1e-6, "share_of_peak": None}, "adam": {"seconds": 1e-6, "share_of_peak": 0.75}},
}


def test_each_call_ends_in_its_time_and_leaves_time_to_begin():
    assert sum(gpu_check.CALLS[1].values()) <= 150 and sum(gpu_check.CALLS[2].values()) <= 330
    assert 0 < gpu_check.LAST_WORKLOAD < min(gpu_check.LIMITS.values())


def on_a_device(monkeypatch, run):
    monkeypatch.setattr(gpu_check, "usable_cupy", lambda: None)
    monkeypatch.setattr(gpu_check, "facts", lambda cupy: GPU)
    monkeypatch.setattr(gpu_check.shutil, "which", lambda program: program)
    monkeypatch.setattr(gpu_check, "run", run)


def test_a_call_runs_its_legs_under_their_limits_and_says_what_was_left_out(monkeypatch, capsys, tmp_path):
    limits = {}

    def run(command, limit, log, on_gpu):
        leg = log.stem
        limits[leg] = limit
        if leg == "tests":
            assert command[2] == "pytest" and f"--junitxml={tmp_path / 'tests.xml'}" in command and "-v" in command
        else:
            file, seconds = command[-2:]
            assert f"benchmarks.gpu.{leg}" in command and float(seconds) < limit and Path(file).parent == tmp_path
            rows = {"timing": [ROW, {"name": "sgd", "skipped": "no time left"}], "growth": BATCHES}.get(leg, [])
            Path(file).write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"name": "mom')
        if leg == "memcheck":
            assert command[0] == "compute-sanitizer" and command[3:5] == ["--report-api-errors", "no"]
        return {"passed": leg != "study", "stopped": leg == "study", "said": "line"}

    on_a_device(monkeypatch, run)
    assert gpu_check.main(["2", "--out", str(tmp_path), "--commit", "abc"]) == 1
    assert limits == gpu_check.CALLS[2] and list(limits) == list(gpu_check.CALLS[2])
    result = json.loads((tmp_path / "call-2.json").read_text())
    assert result["left_out_for_lack_of_time"] == ["study", "sgd"] and result["dry"] is False
    assert [row["name"] for row in result["legs"]["timing"]["rows"]] == ["adam", "sgd"]
    assert result["legs"]["timing"]["passed"] is False  # it skipped a row
    assert result["legs"]["timing"]["why"] == "1 of 2 rows were skipped"
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
    assert "75.0% of peak" in capsys.readouterr().out


def test_one_leg_is_run_alone_and_survives_the_failure_of_another(monkeypatch, tmp_path):
    on_a_device(monkeypatch, lambda command, limit, log, on_gpu: {"passed": log.stem != "race"})
    assert gpu_check.main(["2", "--out", str(tmp_path), "--legs", "race,study"]) == 1
    legs = json.loads((tmp_path / "call-2.json").read_text())["legs"]
    assert not legs["race"]["passed"] and legs["study"]["passed"] and "tests" not in legs
    with pytest.raises(SystemExit):
        gpu_check.main(["2", "--out", str(tmp_path), "--legs", "rase"])
    with pytest.raises(SystemExit):
        gpu_check.main(["3", "--out", str(tmp_path)])


@pytest.mark.slow
@pytest.mark.parametrize("leg", ["builds", "smoke", "step", "timing", "memcheck"])
def test_a_leg_runs_dry(leg, tmp_path):
    """In a process of its own, as on a GPU; `test_legs` runs the others dry, and the tests are those of everywhere."""
    file = tmp_path / "rows.jsonl"
    command = [sys.executable, "-m", f"benchmarks.gpu.{leg}", str(file), str(UNHURRIED), "--dry"]
    done = gpu_check.run(command, UNHURRIED, tmp_path / "log", on_gpu=False)
    assert done["passed"], done["said"]
    rows = gpu_check.read_rows(file)
    assert rows and not any("skipped" in row or "error" in row for row in rows)


RACE = {
    "name": "G1 batch 128 full",
    "title": "an MLP",
    "rivals": {
        "minisgd": {"step_seconds": 4e-5, "loss_difference": 0},
        "torch": {"step_seconds": 8e-5, "loss_difference": 1e-7},
    },
    "ratios": {"minisgd": 1.0, "torch": 2.0},
    "skipped_rivals": [{"rival": "jax", "reason": "jax is not installed"}],
    "targets": [{"against": "torch", "target": 5.0, "ratio": 2.0}, {"step_microseconds": 40.0, "at_most": 50.0}],
}
BATCHES = [
    {"name": "batch 1", "batch_size": 1, "seconds": 1e-5, "fastest": 9e-6, "slowest": 2e-5, "examples_per_second": 1e5},
    {"name": "batch 2", "batch_size": 2, "error": "MemoryLimitError: no"},
    {"name": "batch 4", "batch_size": 4, "seconds": 1e-5, "fastest": 9e-6, "slowest": 2e-5, "examples_per_second": 4e5},
]


def told(leg="race", passed=True, rows=(), **more):
    return "\n".join(gpu_check.told(leg, {"passed": passed, "rows": list(rows), **more}))


def test_what_is_told_has_wins_losses_and_what_was_left_out():
    text = told(rows=[RACE])
    assert "torch" in text and "minisgd 2.00 × as fast" in text and "jax is not installed" in text
    assert "2.00 × torch, at least 5: MISSED" in text and "40.0 µs a step, at most 50: met" in text
    far = {"name": "cnn adam", "difference": 1e-8, "passed": False, "tolerance": 1e-9, "first_step": 7}
    assert "TOO FAR, first after step 7" in told(rows=[far])
    warned = {"name": "smoke", "difference": 1e-8, "passed": False, "tolerance": 1e-3, "warnings": ["no graph"]}
    assert "no graph" in told(rows=[warned]) and "TOO FAR" not in told(rows=[warned])
    text = told(rows=BATCHES)
    assert "batch 2" in text and "MemoryLimitError" in text and "400,000 examples/s" in text
    step = {"name": "G1 loss", "seconds": 3e-6, "calls": 2, "uncapturable": None}
    assert "3.0 µs    2 calls" in told(rows=[step])


def test_a_dry_run_reports_no_figure_as_measured(capsys, tmp_path):
    for row in (RACE, *BATCHES, {"name": "study on cuda", "seconds": 3.0, "why": "because"}):
        text = json.dumps(gpu_check.unmeasured(row))
        assert not any(word in text for word in ("seconds", "ratio", "rate", "per_second", "target", "because"))
    with pytest.raises(SystemExit):
        gpu_check.main(["1", "--dry"])  # there are no results to be written over
    text = told(rows=[gpu_check.unmeasured(row) for row in BATCHES])
    assert "batch 1" in text and "µs" not in text


def test_legs_that_failed_and_legs_that_did_not_run_are_named():
    assert told("tests").split() == ["tests", "passed"]
    assert told("memcheck", None, why="no tool").split() == ["memcheck", "skipped", "no", "tool"]
    assert told("builds", False, said="all\nthe\nlines").split() == ["builds", "FAILED", "all", "the", "lines"]
    text = told("timing", rows=[ROW, {"name": "sgd", "skipped": "no time left"}])
    assert [line.split()[0] for line in text.splitlines()] == ["timing", "adam", "tick", "adam", "sgd"]
    assert "50.0% of peak" in text and "no time left" in text


UNHURRIED = 24 * 3600
"""Seconds: a limit that no process of a test reaches, however busy the machine."""


def test_a_leg_passes_or_fails_with_its_process(tmp_path):
    log, code = tmp_path / "log", "import os; assert os.environ['MINISGD_KERNELS_ON'] == 'cuda'"
    passed = gpu_check.run([sys.executable, "-c", code], UNHURRIED, log)
    assert passed["passed"] and not passed["stopped"]
    failed = gpu_check.run([sys.executable, "-c", "raise SystemExit('no such luck')"], UNHURRIED, log)
    assert not failed["passed"] and not failed["stopped"] and "no such luck" in failed["said"]
    assert "no such luck" in log.read_text()


def test_a_leg_is_stopped_at_its_limit_with_all_that_it_started(tmp_path, monkeypatch):
    started = tmp_path / "started"
    os.mkfifo(started)
    # the child of the leg says that it is there, and would never end by itself
    child = f"import signal; file = open({str(started)!r}, 'w'); file.write('!'); file.flush(); signal.pause()"
    leg = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    messages = []

    class TimeIsUpOnceTheChildIsThere(subprocess.Popen):
        def wait(self, timeout=None):
            if timeout is None:
                return super().wait()
            messages.append(started.open())  # waits for the writer
            assert messages[0].read(1) == "!"
            raise subprocess.TimeoutExpired(self.args, timeout)

    monkeypatch.setattr(gpu_check.subprocess, "Popen", TimeIsUpOnceTheChildIsThere)
    stopped = gpu_check.run([sys.executable, "-c", leg], 2, tmp_path / "log")
    assert stopped["stopped"] and not stopped["passed"] and "stopped after 2 seconds" in stopped["said"]
    with messages[0] as message:
        assert message.read() == ""  # the end of the file comes with the end of the child


def test_without_compute_sanitizer_its_leg_is_skipped_by_name(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_check.shutil, "which", lambda program: None)
    assert gpu_check.run_leg("memcheck", tmp_path) == {"passed": None, "why": "compute-sanitizer is not installed"}


def test_without_a_gpu_it_says_so_and_exits_with_one(monkeypatch, capsys, tmp_path):
    def no_gpu():
        raise MissingExtraError("device 'cuda'", expected="a GPU", got="none", fix="plug one in")

    monkeypatch.setattr(gpu_check, "usable_cupy", no_gpu)
    out = tmp_path / "result"
    assert gpu_check.main(["1", "--out", str(out)]) == 1
    assert "no GPU check: device 'cuda' must be a GPU, got none; plug one in" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(("text", "names"), [("", []), ('{"name": "a"}\n{"na', ["a"]), ('{"name": "a"}\n', ["a"])])
def test_rows_end_with_the_last_whole_line(tmp_path, text, names):
    file = tmp_path / "rows"
    assert gpu_check.read_rows(file) == []
    file.write_text(text)
    assert [row["name"] for row in gpu_check.read_rows(file)] == names
