"""The compiled leg: every build of every shipped kernel, for three architectures, with nothing spilled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from minisgd.backend.cuda.launcher import MAX_SHARED, MAX_THREADS
from tests.cuda.cuda_rewrite import kernels_in
from tests.cuda.nvrtc import ARCHITECTURES, CompileError, Usage, compile_for, missing_nvrtc, table, version
from tests.cuda.shipped_kernels import Build, builds, definitions, files

Job = tuple[Build, str]


@pytest.fixture
def nvrtc():
    reason = missing_nvrtc()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def usages(request) -> Iterator[dict[Job, Future[list[Usage]]]]:
    """Compile what the collected tests ask for on all cores; in the end print what was used.

    The table goes past pytest's capture: it is a result, not a debugging aid.
    """
    jobs = [
        (item.callspec.params["build"], item.callspec.params["architecture"])
        for item in request.session.items
        if item.name.startswith("test_compiles_without_a_spill[")
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = {job: pool.submit(compiled, *job) for job in jobs}
        yield futures
        pool.shutdown(cancel_futures=True)
    done = {
        job: future.result() for job, future in futures.items() if not future.cancelled() and not future.exception()
    }
    if done:
        rows = [(build.file, build.label, usage) for (build, _), used in done.items() for usage in used]
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print(f"\n\nNVRTC {version()}\n{table(rows)}")


def compiled(build: Build, architecture: str) -> list[Usage]:
    return compile_for(architecture, build.source, f"{build.file}.cu", build.options)


def test_every_kernel_of_every_file_has_a_definition():
    defined = {(definition.file, definition.name) for definition in definitions()}
    written = {(file.stem, head.name) for file in files() for head in kernels_in(file.read_text(encoding="utf-8"))}
    assert written == defined


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("build", builds(), ids=lambda build: f"{build.file} {build.label}".replace(" ", "-"))
def test_compiles_without_a_spill(nvrtc, usages, build, architecture):
    for usage in usages[build, architecture].result():
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
