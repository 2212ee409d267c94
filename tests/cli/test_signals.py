"""Whatever ends ``minisgd train --out``, the work is saved, the exit code says why, and one line says how to go on."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from minisgd.cli import main, signals

ENDED = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
ONCE = """
import os, sys
from minisgd.cli import main, output

def show(bar, share, text):
    global shown
    shown += 1
    if shown == 3:
        os.kill(os.getpid(), {number})

shown = 0
output.ProgressBar.show = show
sys.exit(main(sys.argv[1:]))
"""
TRAIN = "train --data digits --model mlp:8 --batch-size 32 --epochs 4 --optimizer adam --lr 0.01"


def python(code: str, words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *shlex.split(words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **more)


@pytest.mark.parametrize("number", ENDED, ids=lambda number: number.name)
def test_a_signal_saves_and_the_line_goes_on_to_the_same_bits(number: signal.Signals, tmp_path: Path) -> None:
    folder, whole = tmp_path / "run", tmp_path / "whole"
    done = python(ONCE.format(number=int(number)), f"{TRAIN} --quiet --out {folder}")
    assert done.returncode == ENDED[number]
    (line,) = done.stderr.splitlines()
    assert line.startswith("minisgd: interrupted after ") and "; to go on: minisgd train --resume " in line
    assert json.loads((folder / "train.json").read_text())["stopped"] == "interrupted"
    assert main([*shlex.split(line.partition("to go on: minisgd ")[2]), "--json"]) == 0
    assert main(shlex.split(f"{TRAIN} --quiet --json --out {whole}")) == 0
    ours, theirs = load_file(folder / "weights.safetensors"), load_file(whole / "weights.safetensors")
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value)


@pytest.mark.parametrize("words", [TRAIN, "study --data digits --model mlp:8 --budget 60s"])
def test_a_job_in_the_background_that_ignores_ctrl_c_still_ends(words: str, tmp_path: Path) -> None:
    background = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    done = python(background + ONCE.format(number=int(signal.SIGTERM)), f"{words} --quiet --out {tmp_path / 'run'}")
    assert done.returncode == 143 and "minisgd: interrupted" in done.stderr and "Traceback" not in done.stderr


def test_nohup_is_respected() -> None:
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + ONCE.format(number=int(signal.SIGHUP))
    assert python(code, f"{TRAIN} --quiet").returncode == 0


def test_before_and_after_the_training_run_a_signal_ends_the_command() -> None:
    code = """
import os, signal, sys
from minisgd.cli import inputs, main
inputs.load_data = lambda args: os.kill(os.getpid(), signal.SIGTERM)
sys.exit(main(sys.argv[1:]))
"""
    done = python(code, TRAIN)
    assert (done.returncode, done.stderr) == (143, "minisgd: interrupted; nothing was saved\n")


def test_options_given_with_resume_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    assert main(shlex.split(f"{TRAIN} --quiet --out {folder}")) == 0
    assert main(["train", "--resume", str(folder), "--epochs", "6", "--json"]) == 0
    about = json.loads((folder / "train.json").read_text())
    assert about["epochs"] == 6 and "--resume" in about["command"]
    assert main(["train", f"--resume={folder}", "--epochs", "7", "--quiet"]) == 0
    assert json.loads((folder / "train.json").read_text())["epochs"] == 7
    assert main(["train", "--resume", str(folder), "--lr", "0.5"]) == 1
    assert "optimizer must be Adam(lr=Constant(lr=0.01)), as in the checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"command": 3}', '{"command": "minisgd study"}', "[" * 9999])
def test_a_folder_that_is_no_training_run_is_refused(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "train.json").write_text(content)
    assert main(["train", "--resume", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"minisgd: --resume '{tmp_path}' must be the folder of --out")


def test_a_folder_cannot_have_a_file_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.json").write_text('{"command": "minisgd train --data digits --model evil.py:net"}')
    assert main(["train", "--resume", str(tmp_path)]) == 2
    assert "add --model evil.py:net" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "study", "claims", "probe trace", "probe landscape"])
def test_an_empty_out_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--data", "digits", "--out", ""]) == 2
    assert "--out must be a path, got ''; for example runs/a" in capsys.readouterr().err


FULL = """
import os, sys, errno
from minisgd import files
from minisgd.__main__ import main

kept, full = os.fsync, [True] * 3

def fsync(number):
    if full and full.pop():
        raise OSError(errno.ENOSPC, "No space left on device")
    kept(number)

os.fsync = fsync
sys.argv[1:] = {words}
sys.exit(main())
"""


def test_a_full_disk_costs_no_work(tmp_path: Path) -> None:
    words = [*TRAIN.split(), "--epochs", "3", "--checkpoint-every", "1", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", FULL.format(words=words)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "warning" in line.lower() or "No space" in line]
    assert lines and all("No space left on device" in line and "the training run goes on" in line for line in lines)
    assert load_file(tmp_path / "weights.safetensors") and list(tmp_path.glob("checkpoint-*.json"))


def test_an_interrupt_while_importing_leaves_no_traceback() -> None:
    code = "import sys; sys.modules['minisgd.cli'] = None; import minisgd.__main__ as m, builtins\n"
    code += "def stop(*_, **__): raise KeyboardInterrupt\nbuiltins.__import__ = stop\nsys.exit(m.main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("interrupts", [signal.default_int_handler, signal.SIG_IGN])
def test_a_signal_amid_imports_imports_nothing(interrupts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("minisgd.training", "minisgd.training.interruption"):
        monkeypatch.setitem(sys.modules, name, None)
    usual = signal.signal(signal.SIGINT, interrupts)
    try:
        with signals.treated_as_interrupts(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, usual)


def test_an_interrupt_while_a_class_is_made_has_the_exit_code_of_its_signal(tmp_path: Path) -> None:
    (tmp_path / "begin.py").write_text("""
import sys
from minisgd import __main__
from minisgd.cli import inputs, signals

def load_data(args):
    exec("signals._interrupt(15, None)", {"signals": signals})  # as dataclasses run what they write

inputs.load_data = load_data
sys.exit(__main__.main())
""")
    words, found = [sys.executable, "-m", "begin", *TRAIN.split()], os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=found)
    assert (done.returncode, done.stderr) == (143, "minisgd: interrupted; nothing was saved\n")


# ------------------------------------------------ streams that are closed, full or gone


def shell(words: str, redirection: str) -> subprocess.CompletedProcess[str]:
    command = f"{shlex.quote(sys.executable)} -m minisgd {words} {redirection}"
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [
        (">/dev/full", 1, "minisgd: stdout could not be written (No space left on device)\n"),
        (">&-", 1, "minisgd: stdout is closed\n"),
        ("2>/dev/full", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&-", 1, ""),
        ("<&- >/dev/null", 0, ""),
    ],
)
@pytest.mark.parametrize("options", ["--quiet", "--quiet --json"])
def test_the_work_is_saved_whatever_reads_the_result(
    redirection: str, code: int, said: str, options: str, tmp_path: Path
) -> None:
    done = shell(f"{TRAIN} --epochs 1 {options} --out {tmp_path}", redirection)
    assert (done.returncode, done.stderr) == (code, said)
    assert json.loads((tmp_path / "train.json").read_text())["stopped"] == "finished"
    assert load_file(tmp_path / "weights.safetensors")


def test_notes_that_cannot_be_written_do_not_end_the_work(tmp_path: Path) -> None:
    done = shell(f"{TRAIN} --epochs 1 --out {tmp_path}", "2>/dev/full")
    assert done.returncode == 0 and "train loss" in done.stdout


def test_closed_streams_are_not_given_to_files(tmp_path: Path) -> None:
    done = shell(f"{TRAIN} --epochs 1 --quiet --out {tmp_path}", ">&- 2>&- <&-")
    assert done.returncode == 1
    assert os.listdir(tmp_path) and load_file(tmp_path / "weights.safetensors")
