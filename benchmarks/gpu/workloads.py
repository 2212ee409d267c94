"""Every kernel at the size it was written for, launched as in training, and the same in miniature.

Each file of kernels carries its own ``WORKLOADS``; they are gathered here, as `tests.cuda` gathers the definitions.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import benchmarks.gpu.kernels
import minisgd.backend.cuda.kernels
import minisgd.nn.cuda
import minisgd.optim.cuda
from minisgd.backend.cuda.workload import Device, Workload

PACKAGES = (minisgd.backend.cuda.kernels, minisgd.nn.cuda, minisgd.optim.cuda, benchmarks.gpu.kernels)


def kernel_modules() -> Iterator[ModuleType]:
    """Yield every module that defines kernels, those of the products first."""
    for package in PACKAGES:
        for module in iter_modules(package.__path__, f"{package.__name__}."):
            imported = import_module(module.name)
            if hasattr(imported, "DEFINITIONS"):
                yield imported


def workloads(device: Device) -> Iterator[Workload]:
    """Yield every workload at its natural size, one at a time; arrays live as long as their family is in turn."""
    for module in kernel_modules():
        for sizes in module.WORKLOADS.natural:
            yield from module.WORKLOADS.make(device, **sizes)


def miniatures(device: Device) -> Iterator[Workload]:
    """Yield the same workloads small enough for an emulator."""
    for module in kernel_modules():
        for sizes in module.WORKLOADS.miniature:
            yield from module.WORKLOADS.make(device, **sizes)
