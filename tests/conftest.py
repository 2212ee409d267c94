"""What tests of every folder share: no deadlines, one BLAS thread, a CUDA device where there is none."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    # before NumPy and PyTorch are imported: pytest-xdist has given every core a worker already
    os.environ.setdefault(variable, "1")

for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    # a test run that a script put in the background, or nohup began, and its children would ignore them
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

CHROMIUM = "chromium", "chromium-browser", "google-chrome"


def pytest_collection_finish() -> None:
    """Keep the garbage collector from walking all tests again and again: they stay to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def known_step_times() -> Iterator[None]:
    """Let a training step take 100 µs and 1 µs an example by the clock, whatever the machine is busy with."""
    import numpy as np

    from minisgd.lab.timing.clock import Task

    def mean(task: Any, calls: int) -> Any:
        task.call()
        return np.array([1e-4 + 1e-6 * task.call.__self__.size])  # the call is the step of a session

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Task, "mean", mean)
        patch.setattr(Task, "typical", lambda task, calls: np.append(mean(task, calls), 1.0))  # and all the processor
        yield


@pytest.fixture
def toolchain() -> None:
    """Skip, with the reason, where kernels cannot be built for the CPU."""
    from tests.cuda.cuda_build import missing_toolchain

    reason = missing_toolchain()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def fake_cupy(toolchain: None, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Install the test double for CuPy and return it as `cupy`."""
    from tests.cuda import fake_cupy

    return fake_cupy.install(monkeypatch)


@pytest.fixture
def launched(fake_cupy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the list to which the double adds every CUDA graph when it is launched."""
    graphs: list[object] = []
    launch = fake_cupy.cuda.Graph.launch

    def noted(graph: object, stream: object = None) -> None:
        graphs.append(graph)
        launch(graph, stream)

    monkeypatch.setattr(fake_cupy.cuda.Graph, "launch", noted)
    return graphs


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what the kernels use of a GPU: a result, which the tests that compile them have recorded."""
    passed = terminalreporter.getreports("passed")
    rows = [row for report in passed for name, rows in report.user_properties if name == "kernel usage" for row in rows]
    rows.sort(key=lambda row: row[:2])  # workers end in any order
    if rows:
        from tests.cuda.nvrtc import Usage, table, version

        terminalreporter.section(f"NVRTC {version()}")
        terminalreporter.write_line(table((file, label, Usage(**usage)) for file, label, usage in rows))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start a headless Chromium; tests that need one are skipped by name where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright, which drives Chromium, is missing")
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as session:
        chromium = session.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()
