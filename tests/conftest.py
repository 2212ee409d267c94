"""What tests of every folder share: a CUDA device where there is none."""

from __future__ import annotations

from types import ModuleType

import pytest


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
