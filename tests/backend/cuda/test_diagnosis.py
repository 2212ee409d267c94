"""Every usual fault of an installation is told apart from the others, each with its own cure."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from minisgd.backend.cuda.diagnosis import find_trouble, no_cupy


def cupy(*, built: Any = 13000, driver: Any = 13000, devices: Any = 1, nvrtc: Any = (13, 0)) -> Any:
    """Return a CuPy that says so; an exception is raised instead."""

    def says(value: Any) -> Any:
        def call() -> Any:
            if isinstance(value, Exception):
                raise value
            return value

        return call

    runtime = SimpleNamespace(
        runtimeGetVersion=says(built), driverGetVersion=says(driver), getDeviceCount=says(devices)
    )
    return SimpleNamespace(cuda=SimpleNamespace(runtime=runtime, nvrtc=SimpleNamespace(getVersion=says(nvrtc))))


def test_nothing_is_wrong_with_a_sound_installation() -> None:
    assert find_trouble(cupy()) is None
    assert find_trouble(cupy(driver=13020)) is None
    assert find_trouble(cupy(built=12090, driver=13000)) is None  # drivers run what was built for older ones


NO_DEVICE = RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
NO_LIBRARY = RuntimeError("libnvrtc.so.13: cannot open shared object file\nmore of it")

TROUBLE = {
    "no driver": (cupy(driver=0), "no NVIDIA driver", "nvidia-smi"),
    "no driver library": (cupy(driver=RuntimeError("no libcuda")), "no NVIDIA driver", "nvidia-smi"),
    "other CUDA": (cupy(driver=12040), "built for CUDA 13.0, the driver supports 12.4", r"minisgd[cuda12]"),
    "no device": (cupy(devices=NO_DEVICE), "shows no GPU", "CUDA_VISIBLE_DEVICES"),
    "zero devices": (cupy(devices=0), "shows no GPU", "CUDA_VISIBLE_DEVICES"),
    "other error": (cupy(devices=RuntimeError("cudaErrorSystemNotReady: …")), "cudaErrorSystemNotReady", "nvidia-smi"),
    "no runtime": (cupy(built=RuntimeError("libcudart.so.13")), "libcudart.so.13", r"pip install 'minisgd[cuda12]'"),
    "no NVRTC": (cupy(nvrtc=NO_LIBRARY), "NVRTC", r"pip install 'minisgd[cuda13]'"),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_every_trouble_has_its_cure(name: str) -> None:
    installed, reason, fix = TROUBLE[name]
    found = find_trouble(installed)
    assert found is not None and reason in str(found.got) and fix in found.fix
    assert "\n" not in str(found) and found.fix.endswith("or device='cpu'")


def test_a_cupy_that_is_missing_and_one_that_is_broken() -> None:
    missing = no_cupy(ModuleNotFoundError("No module named 'cupy'", name="cupy"))
    assert missing.got == "no CuPy" and "minisgd[cuda13]" in missing.fix and "uninstall" not in missing.fix
    text = "\n====\nFailed to import CuPy.\nOriginal error:\n libcudart.so.12\n===="
    broken = no_cupy(ImportError(text))
    assert "Failed to import CuPy." in str(broken.got) and "uninstall" in broken.fix
