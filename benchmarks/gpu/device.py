"""The GPU of this machine: what it is, what it could reach at most, and how full a launch leaves it."""

from __future__ import annotations

from math import prod
from typing import Any

from benchmarks.gpu.launches import Launch
from minisgd.backend.cuda.cupy_ops import import_cupy

CLOCK_KILOHERTZ, MULTIPROCESSORS, MEMORY_KILOHERTZ, BUS_BITS, THREADS_PER_MULTIPROCESSOR = 13, 16, 36, 37, 39
"""Numbers of cudaDevAttr."""


def usable_cupy() -> Any:
    """Return CuPy with a device behind it.

    Raises:
        MissingExtraError: If CuPy is not installed or finds no device.
    """
    return import_cupy()


def facts(cupy: Any) -> dict[str, Any]:
    """Return what the device is and what it could reach at most."""
    runtime = cupy.cuda.runtime
    properties, index = runtime.getDeviceProperties(0), runtime.getDevice()
    kilohertz, multiprocessors, memory_kilohertz, bus_bits = (
        runtime.deviceGetAttribute(attribute, index)
        for attribute in (CLOCK_KILOHERTZ, MULTIPROCESSORS, MEMORY_KILOHERTZ, BUS_BITS)
    )
    lanes = 64 if (properties["major"], properties["minor"]) in ((7, 5), (8, 0)) else 128
    return {
        "name": properties["name"].decode(),
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
        "cupy": cupy.__version__,
        "multiprocessors": multiprocessors,
        "peak_bytes_per_second": 2e3 * memory_kilohertz * bus_bits / 8,
        "peak_flop_per_second": 2e3 * kilohertz * lanes * multiprocessors,
    }


def occupancy(cupy: Any, launch: Launch) -> float:
    """Return the share of a multiprocessor's threads that a kernel fills, by its registers and shared memory."""
    cuda = cupy.cuda
    most = cuda.runtime.deviceGetAttribute(THREADS_PER_MULTIPROCESSOR, cuda.runtime.getDevice())
    threads, pointer = prod(launch.block), launch.function.kernel.ptr
    resident = cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(pointer, threads, launch.shared_bytes)
    return float(resident * threads / most)
