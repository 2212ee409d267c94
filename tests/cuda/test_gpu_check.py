"""The check for machines with a GPU, as far as a machine without one can tell: its launches, sums and refusals."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from cuda_emulator import Emulator  # noqa: E402

from benchmarks import gpu_check  # noqa: E402
from benchmarks.gpu_occupancy import WatchedCompiler  # noqa: E402
from benchmarks.gpu_workloads import Device, Workload, workloads  # noqa: E402
from minisgd.backend.kernels import KernelLibrary  # noqa: E402
from minisgd.errors import MissingExtraError  # noqa: E402

GPU = {"name": "a device", "driver": 1, "peak_bytes_per_second": 1e9, "peak_flop_per_second": 1e12}


def test_every_workload_is_a_launch_that_the_kernels_accept(toolchain):
    device = Device(np, KernelLibrary(Emulator()), lambda array: array.ctypes.data, multiprocessors=2)
    names = []
    for workload in workloads(device, scale=1024):
        workload.launch()
        assert (workload.bytes > 0) != (workload.flop > 0)
        names.append(workload.name)
    assert len(set(names)) == len(names) >= 15


def test_rates_are_medians_against_the_peak_of_their_kind():
    moved = gpu_check.rate(Workload("copy", print, bytes=1000), [1e-6, 4e-6, 2e-6], GPU)
    assert (moved["seconds"], moved["fastest"], moved["slowest"]) == (2e-6, 1e-6, 4e-6)
    assert moved["bytes_per_second"] == pytest.approx(5e8) and moved["share_of_peak"] == pytest.approx(0.5)
    computed = gpu_check.rate(Workload("product", print, flop=10**6), [2e-6], GPU)
    assert computed["flop_per_second"] == pytest.approx(5e11) and computed["share_of_peak"] == pytest.approx(0.5)


def test_the_summary_names_legs_that_failed_and_legs_that_did_not_run():
    row = gpu_check.rate(Workload("copy", print, bytes=1000), [2e-6], GPU)
    legs = {"tests": {"passed": True}, "memcheck": {"passed": False}, "racecheck": {"passed": None, "why": "no tool"}}
    text = gpu_check.summary({"gpu": GPU, **legs, "kernels": [row], "cublas": []})
    assert [line.split()[1] for line in text.splitlines()[1:4]] == ["passed", "FAILED", "skipped"]
    assert "no tool" in text and "50.0% of peak" in text


def test_a_leg_passes_or_fails_with_its_process():
    assert gpu_check.run([sys.executable, "-c", "import os; assert os.environ['MINISGD_KERNELS_ON'] == 'cuda'"], 30)[
        "passed"
    ]
    failed = gpu_check.run([sys.executable, "-c", "raise SystemExit('no such luck')"], 30)
    assert not failed["passed"] and "no such luck" in failed["said"]
    assert "not done after" in gpu_check.run([sys.executable, "-c", "while True: pass"], 0.2)["said"]


def test_without_a_gpu_it_says_so_and_exits_with_one(monkeypatch, capsys, tmp_path):
    def no_gpu():
        raise MissingExtraError("device 'cuda'", expected="a GPU", got="none", fix="plug one in")

    monkeypatch.setattr(gpu_check, "usable_cupy", no_gpu)
    out = tmp_path / "result.json"
    assert gpu_check.main(["--out", str(out)]) == 1
    assert "no GPU check: device 'cuda' must be a GPU, got none; plug one in" in capsys.readouterr().err
    assert not out.exists()


def test_occupancy_is_resident_threads_over_the_most():
    kernel = SimpleNamespace(kernel=SimpleNamespace(ptr=7), called=[])
    launch = type("Kernel", (), {"kernel": kernel.kernel, "__call__": lambda self, *a, **k: kernel.called.append(a)})()
    cuda = SimpleNamespace(
        runtime=SimpleNamespace(deviceGetAttribute=lambda attribute, device: 2048, getDevice=lambda: 0),
        driver=SimpleNamespace(occupancyMaxActiveBlocksPerMultiprocessor=lambda pointer, threads, shared: 4),
    )
    module = SimpleNamespace(get_function=lambda name: launch)
    compiler = WatchedCompiler(SimpleNamespace(RawModule=lambda code, options: module, cuda=cuda))
    compiler.compile("", "fill.cu", ()).get_function("fill")((1, 1, 1), (32, 8, 1), (), shared_mem=0)
    assert len(kernel.called) == 1
    assert compiler.occupancy() == {"fill": 0.5}
    assert compiler.occupancy() == {}
