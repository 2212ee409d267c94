"""The compiled leg: every build of every shipped kernel, for three architectures, with nothing spilled.

By default single-precision builds are compiled for one of them, by turns; tests marked slow compile all for all.
What every kernel uses of a device is printed at the end of the run, by `tests/conftest.py`.
"""

from __future__ import annotations

from dataclasses import asdict

import pytest

from minisgd.backend.cuda.launcher import MAX_SHARED, MAX_THREADS
from tests.cuda.cuda_rewrite import kernels_in
from tests.cuda.nvrtc import ARCHITECTURES, CompileError, compile_for, missing_nvrtc
from tests.cuda.shipped_kernels import builds, definitions, files


@pytest.fixture
def nvrtc():
    reason = missing_nvrtc()
    if reason is not None:
        pytest.skip(reason)


def test_every_kernel_of_every_file_has_a_definition():
    defined = {(definition.file, definition.name) for definition in definitions()}
    written = {(file.stem, head.name) for file in files() for head in kernels_in(file.read_text(encoding="utf-8"))}
    assert written == defined


def every_build():
    for k, build in enumerate(builds()):
        for turn, architecture in enumerate(ARCHITECTURES):
            left = (k + turn) % len(ARCHITECTURES) or "REAL=double" in build.label
            slow = [pytest.mark.slow] if left else []
            label = f"{build.file} {build.label} {architecture}".replace(" ", "-")
            yield pytest.param(build, architecture, marks=slow, id=label)


@pytest.mark.parametrize(("build", "architecture"), list(every_build()))
def test_compiles_without_a_spill(nvrtc, build, architecture, record_property):
    usages = compile_for(architecture, build.source, f"{build.file}.cu", build.options)
    record_property("kernel usage", [(build.file, build.label, asdict(usage)) for usage in usages])
    for usage in usages:
        assert (usage.kernel, usage.spill_stores, usage.spill_loads) == (usage.kernel, 0, 0)
        assert usage.shared <= MAX_SHARED


LARGE = """extern "C" __global__ void __launch_bounds__(1024) kernel(const float* x, float* y) {
    __shared__ float copy[256];
    float all[80];
    for (int i = 0; i < 80; i++) all[i] = x[i * 1024 + threadIdx.x];
    copy[threadIdx.x % 256] = all[3];
    __syncthreads();
#pragma unroll
    for (int k = 0; k < 80; k++) for (int i = 0; i < 79; i++) all[i] = all[i] * all[i + 1] + copy[k];
    for (int i = 0; i < 80; i++) y[i * 1024 + threadIdx.x] = all[i];
}"""


def test_a_spill_would_be_seen(nvrtc):
    (usage,) = compile_for("sm_80", LARGE, "large.cu", ())
    assert usage.kernel == "kernel"
    assert usage.registers == 65536 // MAX_THREADS
    assert usage.shared == 1024
    assert usage.spill_stores + usage.stack > 0


@pytest.mark.parametrize("line", ["float x = INFINITY;", "#include <stdint.h>", "uint32_t x = 0;", "int unused;"])
def test_what_g_plus_plus_forgives_is_an_error_here(nvrtc, line):
    with pytest.raises(CompileError, match="forgiven.cu"):
        compile_for("sm_80", f'extern "C" __global__ void kernel() {{\n{line}\n}}', "forgiven.cu", ())
