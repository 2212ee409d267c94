"""Why CUDA cannot be used here, and what to do about it."""

from __future__ import annotations

from typing import Any

from minisgd.errors import MissingExtraError

NO_DEVICE = "cudaErrorNoDevice"


def no_cupy(problem: ImportError) -> MissingExtraError:
    """Return the error for a CuPy that is missing, or that cannot load its libraries."""
    missing = isinstance(problem, ModuleNotFoundError) and (problem.name or "").startswith("cupy")
    if missing:
        return _trouble(
            "no CuPy", "pip install 'minisgd[cuda12]' or 'minisgd[cuda13]', whichever CUDA version nvidia-smi names"
        )
    reason = next((line.strip() for line in str(problem).splitlines() if line.strip(" =")), "no reason given")
    return _trouble(
        f"CuPy is installed but cannot be imported: {reason}",
        "pip uninstall cupy cupy-cuda12x cupy-cuda13x, then pip install 'minisgd[cuda12]' or 'minisgd[cuda13]'",
    )


def find_trouble(cupy: Any) -> MissingExtraError | None:
    """Return what is wrong with an installation, or None: driver, its CUDA version, a device, the compiler."""
    runtime = cupy.cuda.runtime
    try:
        built = int(runtime.runtimeGetVersion())
    except Exception as problem:
        return _trouble(
            f"the CUDA runtime is not there: {_first_line(problem)}",
            "pip install 'minisgd[cuda12]' or 'minisgd[cuda13]', which bring it, whichever nvidia-smi names",
        )
    driver = _driver(runtime)
    ours = f"cuda{built // 1000}"
    if driver == 0:
        return _trouble(
            "CuPy is installed, but no NVIDIA driver",
            "install the driver until nvidia-smi shows the GPU; in a container, start it with --gpus all",
        )
    if driver // 1000 < built // 1000:
        theirs = f"cuda{driver // 1000}"
        return _trouble(
            f"CuPy is built for CUDA {_version(built)}, the driver supports {_version(driver)} at most",
            f"pip uninstall cupy-{ours}x, then pip install 'minisgd[{theirs}]'; or install a newer driver",
        )
    try:
        found = runtime.getDeviceCount()
    except Exception as problem:  # CuPy has an error type of its own for every library
        if NO_DEVICE not in str(problem):
            return _trouble(_first_line(problem), "check that nvidia-smi shows the GPU")
        found = 0
    if not found:
        return _trouble(
            "the driver shows no GPU", "check nvidia-smi, and that CUDA_VISIBLE_DEVICES is unset or names a device"
        )
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as problem:
        return _trouble(
            f"NVRTC, which compiles the kernels, is not there: {_first_line(problem)}",
            f"pip install 'minisgd[{ours}]', which brings it; cupy-{ours}x alone does not",
        )
    return None


def _driver(runtime: Any) -> int:
    """Return the version of CUDA that the driver supports, 0 where there is no driver."""
    try:
        return int(runtime.driverGetVersion())
    except Exception:
        return 0


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _first_line(problem: BaseException) -> str:
    return next(iter(str(problem).splitlines()), "") or type(problem).__name__


def _trouble(reason: str, fix: str) -> MissingExtraError:
    return MissingExtraError("device 'cuda'", expected="usable through CuPy", got=reason, fix=f"{fix}; or device='cpu'")
