"""The check for machines with a GPU, as far as a machine without one can tell: its legs, limits and refusals."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import gpu_check  # noqa: E402
from minisgd.errors import MissingExtraError  # noqa: E402

GPU = {"name": "a device", "driver": 1}
PASSED = {"passed": True, "stopped": False}
ROW = {
    "name": "adam",
    "seconds": 2e-6,
    "share_of_peak": 0.5,
    "kernels": {"tick": {"seconds": 1e-6, "share_of_peak": None}, "adam": {"seconds": 1e-6, "share_of_peak": 0.75}},
}


def test_the_limits_of_all_legs_leave_time_to_begin_and_end_within_eight_minutes():
    assert sum(gpu_check.LIMITS.values()) <= 8 * 60 - 30
    assert 0 < gpu_check.LAST_WORKLOAD < gpu_check.LIMITS["timing"]


def test_the_whole_check_runs_every_leg_under_its_limit_and_says_what_was_left_out(monkeypatch, capsys, tmp_path):
    limits = {}

    def run(command, limit):
        leg = next(leg for leg in ("pytest", "memcheck", "racecheck", "benchmarks.gpu_timing") if leg in command)
        limits[leg] = limit
        if leg == "benchmarks.gpu_timing":
            assert float(command[-1]) < limit
            rows = [ROW, {"name": "sgd", "skipped": "no time left"}]
            Path(command[-2]).write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"name": "mom')
        return {"passed": leg != "racecheck", "stopped": leg == "racecheck"}

    monkeypatch.setattr(gpu_check, "usable_cupy", lambda: None)
    monkeypatch.setattr(gpu_check, "facts", lambda cupy: GPU)
    monkeypatch.setattr(gpu_check.shutil, "which", lambda program: program)
    monkeypatch.setattr(gpu_check, "run", run)
    out = tmp_path / "result.json"
    assert gpu_check.main(["--out", str(out)]) == 1
    assert list(limits.values()) == list(gpu_check.LIMITS.values())
    result = json.loads(out.read_text())
    assert result["left_out_for_lack_of_time"] == ["racecheck", "sgd"]
    assert [row["name"] for row in result["workloads"]] == ["adam", "sgd"]
    assert "75.0% of peak" in capsys.readouterr().out


def test_the_summary_names_legs_that_failed_and_legs_that_did_not_run():
    legs = {"tests": PASSED, "memcheck": {"passed": False}, "racecheck": {"passed": None, "why": "no tool"}}
    skipped = {"name": "sgd", "skipped": "no time left"}
    text = gpu_check.summary({"gpu": GPU, **legs, "timing": PASSED, "workloads": [ROW, skipped]})
    lines = [line.split() for line in text.splitlines()]
    assert [line[1] for line in lines[1:5]] == ["passed", "FAILED", "skipped", "passed"]
    assert "no tool" in text and [line[0] for line in lines[5:]] == ["adam", "tick", "adam", "sgd"]
    assert "50.0% of peak" in text and "sgd" in text and "no time left" in text


def test_a_leg_passes_or_fails_with_its_process():
    passed = gpu_check.run([sys.executable, "-c", "import os; assert os.environ['MINISGD_KERNELS_ON'] == 'cuda'"], 30)
    assert passed["passed"] and not passed["stopped"]
    failed = gpu_check.run([sys.executable, "-c", "raise SystemExit('no such luck')"], 30)
    assert not failed["passed"] and not failed["stopped"] and "no such luck" in failed["said"]


def test_a_leg_is_stopped_at_its_limit_with_all_that_it_started(tmp_path):
    noted = tmp_path / "child"
    child = f"import os, time; open({str(noted)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    leg = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    stopped = gpu_check.run([sys.executable, "-c", leg], 2)
    assert stopped["stopped"] and not stopped["passed"] and "stopped after 2 seconds" in stopped["said"]
    assert stopped["seconds"] < 30
    assert not _lives(int(noted.read_text()))


def _lives(process: int) -> bool:
    for _ in range(100):  # the end of a killed process takes a moment
        try:
            os.kill(process, 0)
            if Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return False
        except (ProcessLookupError, FileNotFoundError):
            return False
        time.sleep(0.05)
    return True


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
