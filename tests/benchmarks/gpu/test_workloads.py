"""Every shipped kernel has a workload with a floor, and every workload is a launch that its kernels accept."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.gpu.launches import Recorder
from benchmarks.gpu.workloads import miniatures, workloads
from minisgd.backend.cuda.launcher import KernelLibrary, options
from minisgd.backend.cuda.workload import Device
from tests.cuda.cuda_emulator import Emulator
from tests.cuda.shipped_kernels import definitions

UNTOUCHED = SimpleNamespace(asarray=np.asarray, zeros=np.empty)


class Untouched(Device):
    """Memory that nobody touches: natural sizes cost nothing until a kernel runs."""

    def reals(self, *shape):
        return np.empty(shape, np.float32)


class Idle:
    """A compiler whose kernels do nothing: launches are checked and recorded, and that is all."""

    def compile(self, source, file, options):
        return SimpleNamespace(get_function=lambda name: lambda grid, block, args, *, shared_mem=0: None)

    def owns(self, array):
        return isinstance(array, np.ndarray)


def device(compiler, xp, multiprocessors):
    recorder = Recorder(compiler)
    library = KernelLibrary(recorder)
    # as aligned as CuPy's arrays, which NumPy's need not be
    kind = Untouched if xp is UNTOUCHED else Device
    return recorder, kind(xp, library, lambda array: 0, multiprocessors)


def missing(shipped, launched):
    """Return the definitions that no launch, by name and options, is one of."""
    return [
        definition
        for definition in shipped
        if not any((definition.name, options(macros, np.float32)) in launched for macros in definition.variants)
    ]


@pytest.mark.parametrize("multiprocessors", [20, 40, 80, 108, 132, 170])
def test_every_shipped_kernel_has_a_workload_with_a_floor(multiprocessors):
    recorder, natural = device(Idle(), UNTOUCHED, multiprocessors)
    launched, names = set(), []
    for workload in workloads(natural):
        launches = recorder.record(workload.run)
        assert {launch.kernel for launch in launches} == set(workload.kernels), workload.name
        for floor in (workload.floor, *workload.kernels.values()):
            assert (floor.bytes > 0) != (floor.flop > 0), workload.name
        launched |= {(launch.kernel, launch.options) for launch in launches}
        names.append(workload.name)
    assert [d.name for d in missing(definitions(), launched)] == []
    assert len(set(names)) == len(names)


def test_a_kernel_without_a_workload_is_found():
    shipped = definitions()
    everything = {(d.name, options(macros, np.float32)) for d in shipped for macros in d.variants}
    for definition in shipped:
        own = {(definition.name, options(macros, np.float32)) for macros in definition.variants}
        assert definition in missing(shipped, everything - own)


def test_a_floor_is_never_above_what_the_arrays_of_a_launch_hold():
    recorder, natural = device(Idle(), UNTOUCHED, 108)
    for workload in workloads(natural):
        launches = recorder.record(workload.run)
        for kernel, floor in workload.kernels.items():
            arrays = [a for launch in launches if launch.kernel == kernel for a in launch.args]
            # an array may be read and written, and a gather reads part of its data
            most = 2 * sum(a.nbytes for a in arrays if isinstance(a, np.ndarray))
            assert floor.bytes <= most, (workload.name, kernel)


def test_workloads_are_made_by_what_the_double_has(fake_cupy):
    """A dry check finds them so, minutes after its start."""
    small = Device(fake_cupy, KernelLibrary(Idle()), lambda array: 0, 2)
    assert len(list(miniatures(small))) > len(definitions())


@pytest.mark.slow
def test_miniatures_run_on_the_emulator_and_launch_the_kernels_they_name(toolchain):
    recorder, small = device(Emulator(), np, 2)
    small = Device(np, small.library, lambda array: array.ctypes.data, 2)
    for workload in miniatures(small):
        assert {launch.kernel for launch in recorder.record(workload.run)} == set(workload.kernels), workload.name
