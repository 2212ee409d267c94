"""A test double for the few calls of CuPy that the package makes: a CUDA device without a GPU.

It stands for CuPy, not for the package: kernels, launchers, operations, recorder and trainer are the shipped
ones. What it models:

- arrays on the device over host memory: NumPy refuses them, they refuse NumPy's, `get` and `set` move data;
- streams that do their work as late as they may, events, the default stream's rules;
- capture: work is written down and done at `launch`. Refused there as CuPy and CUDA refuse: cuBLAS, copies to and
  from the host, waiting, memory that the pool must first get from the device; memory, pinned memory or a graph that
  is released meanwhile spoils the capture, which is seen when it ends. Refused here, where CUDA would let it pass
  and go wrong later: launching a graph whose arrays are gone;
- memory from a pool with a limit and an arena for each stream, OutOfMemoryError, pinned memory;
- `RawModule`: kernels run by the emulator, with its checks of arguments and accesses.

    fake_cupy.install(monkeypatch)         # `import cupy` and `import cupyx` find it, the device is new
    fake_cupy.DEVICE.memory = 1 << 20      # a small one
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tests.cuda.fake_cupy import functions
from tests.cuda.fake_cupy.arrays import PINNED, ndarray, pin
from tests.cuda.fake_cupy.device import (
    DEVICE,
    STREAM_CAPTURE_GLOBAL,
    STREAM_CAPTURE_RELAXED,
    STREAM_CAPTURE_THREAD_LOCAL,
    CUDARuntimeError,
    Event,
    Graph,
    GraphFault,
    MemoryPool,
    OutOfMemoryError,
    Stream,
    reset,
    set_allocator,
    using_allocator,
)
from tests.cuda.fake_cupy.modules import RawKernel, RawModule

__all__ = ["DEVICE", "GraphFault", "CUDARuntimeError", "OutOfMemoryError", "install", "reset"]

PROPERTIES = {"name": b"Emulated device", "multiProcessorCount": 132, "major": 9, "minor": 0, "totalGlobalMem": 0}

ATTRIBUTES = {13: 1_000_000, 16: PROPERTIES["multiProcessorCount"], 36: 1_000_000, 37: 1024, 39: 2048}
"""By number of cudaDevAttr: kHz, multiprocessors, kHz and bits of memory, threads on a multiprocessor."""


class Device:
    """The one device."""

    def __init__(self, device: int = 0) -> None:
        self.id = device

    compute_capability = "90"
    attributes = {"MultiProcessorCount": PROPERTIES["multiProcessorCount"]}  # noqa: RUF012
    mem_info = property(lambda self: _mem_info())

    def synchronize(self) -> None:
        DEVICE.synchronize()

    def use(self) -> Device:
        return self

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *error: Any) -> None:
        pass


def _mem_info() -> tuple[int, int]:
    return DEVICE.memory - DEVICE.allocated(), DEVICE.memory


def _pinned(shape: Any, dtype: Any = float) -> Any:
    return pin(np.full(shape, 0xFF if np.dtype(dtype).kind in "iub" else np.nan, dtype))


def _modules() -> dict[str, ModuleType]:
    cupy, cupyx, scipy, special = map(ModuleType, ("cupy", "cupyx", "cupyx.scipy", "cupyx.scipy.special"))
    cupy.__version__ = "14.0.0"
    for name in functions.PUBLIC:
        setattr(cupy, name, getattr(functions, name))
    for name in "float32 float64 int32 int64 uint8 uint64 bool_ dtype newaxis".split():
        setattr(cupy, name, getattr(np, name))
    cupy.ndarray, cupy.RawModule, cupy.RawKernel = ndarray, RawModule, RawKernel
    linalg = {name: getattr(functions, name) for name in ("COMPUTE_TYPE_FP32", "COMPUTE_TYPE_TF32", "set_compute_type")}
    cupy._core = SimpleNamespace(_routines_linalg=SimpleNamespace(**linalg))
    cupy.get_default_memory_pool = lambda: DEVICE.pool
    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        getDeviceProperties=lambda device: PROPERTIES | {"totalGlobalMem": DEVICE.memory},
        runtimeGetVersion=lambda: 13000,
        driverGetVersion=lambda: 13000,
        memGetInfo=_mem_info,
        streamCaptureModeGlobal=STREAM_CAPTURE_GLOBAL,
        streamCaptureModeRelaxed=STREAM_CAPTURE_RELAXED,
        streamCaptureModeThreadLocal=STREAM_CAPTURE_THREAD_LOCAL,
        deviceSynchronize=DEVICE.synchronize,
        deviceGetAttribute=lambda attrib, device: ATTRIBUTES[attrib],
    )
    cupy.cuda = SimpleNamespace(
        Device=Device,
        Event=Event,
        Graph=Graph,
        MemoryPool=MemoryPool,
        Stream=Stream,
        driver=SimpleNamespace(
            occupancyMaxActiveBlocksPerMultiprocessor=lambda func, blockSize, dynamicSMemSize: 2048 // blockSize
        ),
        get_current_stream=lambda: DEVICE.current,
        get_elapsed_time=lambda start_event, end_event: 1.0,
        is_available=lambda: True,
        memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        nvrtc=SimpleNamespace(getVersion=lambda: (13, 0)),
        runtime=runtime,
        set_allocator=set_allocator,
        stream=SimpleNamespace(get_current_stream=lambda: DEVICE.current),
        using_allocator=using_allocator,
    )
    cupyx.empty_pinned, cupyx.zeros_pinned = _pinned, lambda shape, dtype=float: _zeroed(_pinned(shape, dtype))
    cupyx.scipy, scipy.special, special.erf = scipy, special, functions.erf
    return {"cupy": cupy, "cupyx": cupyx, "cupyx.scipy": scipy, "cupyx.scipy.special": special}


def _zeroed(block: Any) -> Any:
    block[...] = 0
    return block


def install(monkeypatch: Any, memory: int = 1 << 28) -> Any:
    """Let `import cupy` find a new device of so many bytes, until the test ends; return the module."""
    reset(memory)
    PINNED.clear()
    for name, module in (modules := _modules()).items():
        monkeypatch.setitem(sys.modules, name, module)
    return modules["cupy"]
