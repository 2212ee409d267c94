"""minisgd study --workers, --dask and --ranks: what is refused, and that a study over processes is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from socket import socket
from time import sleep

import pytest

from minisgd import cli

ROOT = Path(__file__).resolve().parents[2]

QUICK = ["study", "--data", "digits", "--model", "linear", "--batch-sizes", "64,512", "--seeds", "2", "--quiet"]
QUICK += ["--learning-rates", "0.1,0.3", "--train-for", "steps:20", "--target-accuracy", "0.9"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "2", "--dask", "local"], "--workers must be left out with --dask"),
        (["--workers", "0"], "--workers must be"),
        (["--ranks", "0,8"], "--ranks must be"),
    ],
)
def test_what_is_refused(options, said, tmp_path, capsys):
    assert cli.main([*QUICK, *options, "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "cells.jsonl").exists()


@pytest.mark.slow
def test_processes_train_the_same(tmp_path):
    pytest.importorskip("joblib", reason="joblib is not installed: pip install 'minisgd[sweep]'")
    cells = []
    for options in ([], ["--workers", "2"]):
        out = tmp_path / str(len(cells))
        assert cli.main([*QUICK, *options, "--out", str(out)]) == 0
        cells.append((out / "cells.jsonl").read_bytes())
    assert cells[0] == cells[1]


LONG = ["study", "--data", "digits", "--model", "mlp:128", "--batch-sizes", "16,64,256,1024", "--seeds", "3"]
LONG += ["--learning-rates", "0.01,0.1", "--train-for", "epochs:10", "--target-accuracy", "0.9", "--budget", "none"]


def started(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "minisgd", *LONG, *options], cwd=ROOT, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def wait_for_cells(out, process) -> None:
    """Wait until the study has finished a training run, and is not over."""
    while not (out / "cells.jsonl").exists() or not (out / "cells.jsonl").read_bytes():
        assert process.poll() is None, process.stderr.read()
        sleep(0.02)


@pytest.fixture(scope="module")
def long_study(tmp_path_factory):
    out = tmp_path_factory.mktemp("alone")
    study = started("--quiet", "--out", str(out))  # in a process of its own, as those that it is compared with
    said = study.communicate()[1]
    assert study.returncode == 0, said
    return (out / "cells.jsonl").read_bytes()


@pytest.mark.slow
def test_the_same_command_goes_on_with_a_study_that_was_killed(tmp_path, long_study):
    pytest.importorskip("joblib", reason="joblib is not installed: pip install 'minisgd[sweep]'")
    first = started("--workers", "2", "--out", str(tmp_path))
    wait_for_cells(tmp_path, first)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    kept = (tmp_path / "cells.jsonl").read_bytes().count(b"\n")
    again = started("--workers", "2", "--out", str(tmp_path))
    said = again.communicate()[1]
    assert again.returncode == 0 and f"continuing: {kept} training runs" in said
    assert (tmp_path / "cells.jsonl").read_bytes() == long_study


class Cluster:
    """A scheduler of Dask and two workers, as processes of this machine."""

    def __init__(self, folder: Path) -> None:
        with socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        self.address, self.folder = f"tcp://127.0.0.1:{self.port}", folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        scheduler = ["scheduler", "--host", "127.0.0.1", "--port", self.port, "--no-dashboard"]
        worker = ["worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
        for words in (scheduler, *[[*worker, "--local-directory", str(self.folder)]] * 2):
            command = [sys.executable, "-m", f"distributed.cli.dask_{words[0]}", *words[1:]]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            self.processes.append(subprocess.Popen(command, cwd=ROOT, **quiet))

    def kill(self) -> None:
        while self.processes:
            process = self.processes.pop()
            process.kill()
            process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("again", [True, False])
def test_a_study_outlives_its_cluster(tmp_path, long_study, again, request):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'minisgd[dask]'")
    cluster, out = Cluster(tmp_path / "dask"), tmp_path / "study"
    request.addfinalizer(cluster.kill)
    cluster.start()
    study = started("--dask", cluster.address, "--out", str(out))
    request.addfinalizer(study.kill)
    wait_for_cells(out, study)
    cluster.kill()
    if again:
        cluster.start()
    said = study.communicate(timeout=240)[1]
    assert study.returncode == 0, said
    assert "a worker failed at batch size" in said
    assert (out / "cells.jsonl").read_bytes() == long_study
