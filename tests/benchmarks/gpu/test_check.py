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
PASSED = {"passed": True, "stopped": False}
ROW = {
    "name": "adam",
    "seconds": 2e-6,
    "share_of_peak": 0.5,
    "kernels": {"tick": {"seconds": 1e-6, "share_of_peak": None}, "adam": {"seconds": 1e-6, "share_of_peak": 0.75}},
}


def test_the_limits_of_all_legs_leave_time_to_begin_and_end_within_nine_minutes():
    assert sum(gpu_check.LIMITS.values()) <= 9 * 60 - 30
    assert 0 < gpu_check.LAST_WORKLOAD < min(gpu_check.LIMITS[leg] for leg in gpu_check.LISTED)


def test_the_whole_check_runs_every_leg_under_its_limit_and_says_what_was_left_out(monkeypatch, capsys, tmp_path):
    limits = {}

    def run(command, limit):
        words = [word.removeprefix("benchmarks.gpu.") for word in command]
        leg = "tests" if words[2] == "pytest" else next(leg for leg in gpu_check.LIMITS if leg in words)
        limits[leg] = limit
        if leg in gpu_check.LISTED:
            assert float(command[-1]) < limit
            rows = {"timing": [ROW, {"name": "sgd", "skipped": "no time left"}], "growth": BATCHES}.get(leg, [])
            Path(command[-2]).write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"name": "mom')
        return {"passed": leg != "racecheck", "stopped": leg == "racecheck"}

    monkeypatch.setattr(gpu_check, "usable_cupy", lambda: None)
    monkeypatch.setattr(gpu_check, "facts", lambda cupy: GPU)
    monkeypatch.setattr(gpu_check.shutil, "which", lambda program: program)
    monkeypatch.setattr(gpu_check, "run", run)
    out = tmp_path / "result.json"
    assert gpu_check.main(["--out", str(out)]) == 1
    assert limits == gpu_check.LIMITS and list(limits) == list(gpu_check.LIMITS)
    result = json.loads(out.read_text())
    assert result["left_out_for_lack_of_time"] == ["racecheck", "sgd"] and result["dry"] is False
    assert [row["name"] for row in result["workloads"]] == ["adam", "sgd"]
    assert (tmp_path / "result.png").read_bytes().startswith(b"\x89PNG")
    assert "75.0% of peak" in capsys.readouterr().out


def test_one_leg_is_run_alone_and_survives_the_failure_of_another(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_check, "usable_cupy", lambda: None)
    monkeypatch.setattr(gpu_check, "facts", lambda cupy: GPU)
    monkeypatch.setattr(gpu_check, "run", lambda command, limit: {"passed": "benchmarks.gpu.race" not in command})
    out = tmp_path / "result.json"
    assert gpu_check.main(["--out", str(out), "--legs", "race,study"]) == 1
    result = json.loads(out.read_text())
    assert not result["race"]["passed"] and result["study"]["passed"] and "tests" not in result
    with pytest.raises(SystemExit):
        gpu_check.main(["--out", str(out), "--legs", "rase"])


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


def test_the_summary_tells_wins_losses_and_what_was_left_out():
    rows = {
        "races": [RACE],
        "batches": BATCHES,
        "agreements": [{"name": "cnn adam", "difference": 1e-8, "passed": False}],
    }
    text = gpu_check.summary({"gpu": GPU, **rows})
    assert "torch" in text and "minisgd 2.00 × as fast" in text and "jax is not installed" in text
    assert "2.00 × torch, at least 5: MISSED" in text and "40.0 µs a step, at most 50: met" in text
    assert "cnn adam" in text and "TOO FAR" in text
    assert "batch 2" in text and "MemoryLimitError" in text and "400,000 examples/s" in text


def test_a_dry_run_reports_no_figure_as_measured(capsys, tmp_path):
    for row in (RACE, *BATCHES, {"name": "study on cuda", "seconds": 3.0, "why": "because"}):
        told = json.dumps(gpu_check.unmeasured(row))
        assert not any(word in told for word in ("seconds", "ratio", "rate", "per_second", "target", "because"))
    with pytest.raises(SystemExit):
        gpu_check.main(["--dry"])  # there are no results to be written over
    text = gpu_check.summary({"gpu": {"name": "double"}, "batches": [gpu_check.unmeasured(row) for row in BATCHES]})
    assert "nothing here is a measurement" in text and "µs" not in text


def test_the_summary_names_legs_that_failed_and_legs_that_did_not_run():
    legs = {"tests": PASSED, "memcheck": {"passed": False}, "racecheck": {"passed": None, "why": "no tool"}}
    skipped = {"name": "sgd", "skipped": "no time left"}
    text = gpu_check.summary({"gpu": GPU, **legs, "timing": PASSED, "workloads": [ROW, skipped]})
    lines = [line.split() for line in text.splitlines()]
    assert [line[1] for line in lines[1:5]] == ["passed", "passed", "FAILED", "skipped"]
    assert "no tool" in text and [line[0] for line in lines[5:]] == ["adam", "tick", "adam", "sgd"]
    assert "50.0% of peak" in text and "sgd" in text and "no time left" in text


UNHURRIED = 24 * 3600
"""Seconds: a limit that no process of a test reaches, however busy the machine."""


def test_a_leg_passes_or_fails_with_its_process():
    code = "import os; assert os.environ['MINISGD_KERNELS_ON'] == 'cuda'"
    passed = gpu_check.run([sys.executable, "-c", code], UNHURRIED)
    assert passed["passed"] and not passed["stopped"]
    failed = gpu_check.run([sys.executable, "-c", "raise SystemExit('no such luck')"], UNHURRIED)
    assert not failed["passed"] and not failed["stopped"] and "no such luck" in failed["said"]


def test_a_leg_is_stopped_at_its_limit_with_all_that_it_started(tmp_path, monkeypatch):
    started = tmp_path / "started"
    os.mkfifo(started)
    # the child of the leg says that it is there, and would never end by itself
    child = f"import signal; file = open({str(started)!r}, 'w'); file.write('!'); file.flush(); signal.pause()"
    leg = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    messages = []

    class TimeIsUpOnceTheChildIsThere(subprocess.Popen):
        def communicate(self, input=None, timeout=None):
            if timeout is None:
                return super().communicate(input)
            messages.append(started.open())  # waits for the writer
            assert messages[0].read(1) == "!"
            raise subprocess.TimeoutExpired(self.args, timeout)

    monkeypatch.setattr(gpu_check.subprocess, "Popen", TimeIsUpOnceTheChildIsThere)
    stopped = gpu_check.run([sys.executable, "-c", leg], 2)
    assert stopped["stopped"] and not stopped["passed"] and "stopped after 2 seconds" in stopped["said"]
    with messages[0] as message:
        assert message.read() == ""  # the end of the file comes with the end of the child


def test_without_compute_sanitizer_its_legs_are_skipped_by_name(monkeypatch):
    monkeypatch.setattr(gpu_check.shutil, "which", lambda program: None)
    assert gpu_check.run_sanitizer("memcheck") == {"passed": None, "why": "compute-sanitizer is not installed"}


def test_without_a_gpu_it_says_so_and_exits_with_one(monkeypatch, capsys, tmp_path):
    def no_gpu():
        raise MissingExtraError("device 'cuda'", expected="a GPU", got="none", fix="plug one in")

    monkeypatch.setattr(gpu_check, "usable_cupy", no_gpu)
    out = tmp_path / "result.json"
    assert gpu_check.main(["--out", str(out)]) == 1
    assert "no GPU check: device 'cuda' must be a GPU, got none; plug one in" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(("text", "names"), [("", []), ('{"name": "a"}\n{"na', ["a"]), ('{"name": "a"}\n', ["a"])])
def test_rows_end_with_the_last_whole_line(tmp_path, text, names):
    file = tmp_path / "rows"
    assert gpu_check.read_rows(file) == []
    file.write_text(text)
    assert [row["name"] for row in gpu_check.read_rows(file)] == names
