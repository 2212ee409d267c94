"""The test double for CuPy refuses what CuPy refuses, and does late what CUDA may do late."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.cuda.fake_cupy import DEVICE, CUDARuntimeError, GraphFault, OutOfMemoryError

SOURCE = """extern "C" __global__ void twice(const REAL* x, REAL* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = 2 * x[i];
}"""


@pytest.fixture
def cupy(fake_cupy):
    return fake_cupy


@pytest.fixture
def stream(cupy):
    with cupy.cuda.Stream(non_blocking=True) as stream:
        yield stream


def twice(cupy):
    module = cupy.RawModule(code=f'#line 1 "twice.cu"\n{SOURCE}', options=("-std=c++17", "-DREAL=float"))
    return module.get_function("twice")


def test_it_is_found_as_cupy(cupy):
    import cupy as found
    import cupyx.scipy.special

    assert found is cupy is sys.modules["cupy"]
    assert_array_equal(cupyx.scipy.special.erf(cupy.zeros(3)).get(), 0)


def test_arrays_do_not_mix_with_those_of_numpy(cupy):
    a, b = cupy.ones(3), np.ones(3)
    for wrong in (lambda: np.asarray(a), lambda: np.add(a, b), lambda: a + b, lambda: b + a, lambda: cupy.add(a, b)):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(TypeError):
        a[...] = b
    with pytest.raises(TypeError):
        np.sum(a)
    assert not isinstance(a, np.ndarray)
    assert_array_equal((a + cupy.asarray(b)).get(), [2, 2, 2])


def test_an_output_must_fit(cupy):
    a, b = cupy.ones((2, 3), "float32"), cupy.ones(3, "float32")
    out = cupy.empty((2, 3), "float32")
    cupy.add(a, b, out)
    assert_array_equal(out.get(), 2)
    with pytest.raises(ValueError, match="shape"):
        cupy.add(a, b, cupy.empty(3, "float32"))
    with pytest.raises(TypeError, match="cannot cast"):
        cupy.add(a, b, cupy.empty((2, 3), "int64"))
    with pytest.raises(TypeError, match="Output dtype mismatch"):
        cupy.take(a, cupy.zeros(2, "int64"), 0, cupy.empty((2, 3)))


def test_empty_memory_is_not_zero(cupy):
    assert np.isnan(cupy.empty(4, "float32").get()).all()


def test_work_on_a_stream_waits_until_somebody_waits_for_it(cupy):
    first, second = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream(non_blocking=True)
    a, b = cupy.zeros(3), cupy.zeros(3)
    cupy.cuda.Stream.null.synchronize()
    with first:
        cupy.add(a, 1.0, out=a)
        ready = first.record()
    with second:
        cupy.add(a, 1.0, out=b)  # nothing orders it after the first stream
        assert_array_equal(b.get(), 1)
        second.wait_event(ready)
        cupy.add(a, 1.0, out=b)
        assert_array_equal(b.get(), 2)
    assert first.done


def test_pinned_memory_is_read_when_the_stream_comes_to_it(cupy):
    import cupyx

    pinned, pageable, target = cupyx.zeros_pinned(2, "float32"), np.zeros(2, "float32"), cupy.empty((2, 2), "float32")
    target[0].set(pinned)
    target[1].set(pageable)
    pinned[:] = pageable[:] = 5
    assert_array_equal(target.get(), [[5, 5], [0, 0]])


def test_a_graph_repeats_what_was_captured(cupy, stream):
    kernel, x, y = twice(cupy), cupy.asarray(np.arange(4, dtype="float32")), cupy.zeros(4, "float32")
    stream.synchronize()
    stream.begin_capture()
    kernel((1, 1, 1), (32, 1, 1), (x, y, np.int32(4)))
    cupy.add(y, 1.0, out=x)
    graph = stream.end_capture()
    assert_array_equal(y.get(), 0)  # captured, not done
    for _ in range(2):
        graph.launch()
    assert_array_equal(x.get(), [3, 7, 11, 15])


def forked(cupy, stream, meet=True):
    """Return a graph in which a second stream doubles x into y while the first adds 1 to x; and both arrays."""
    kernel, x, y = twice(cupy), cupy.asarray(np.arange(4, dtype="float32")), cupy.zeros(4, "float32")
    second, begun, done = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Event(), cupy.cuda.Event()
    stream.synchronize()
    stream.begin_capture()
    begun.record(stream)
    second.wait_event(begun)
    with second:
        kernel((1, 1, 1), (32, 1, 1), (x, y, np.int32(4)))
    done.record(second)
    cupy.add(x, 1.0, out=x)
    if meet:
        stream.wait_event(done)
    cupy.add(y, 1.0, out=y)
    assert second.is_capturing()
    return stream.end_capture(), x, y, second


def test_a_capture_that_forks_does_the_other_stream_s_work_late(cupy, stream):
    graph, x, y, second = forked(cupy, stream)
    assert len(graph.nodes) == 3 and not second.is_capturing()
    graph.launch()
    assert_array_equal(x.get(), [1, 2, 3, 4])
    assert_array_equal(y.get(), [3, 5, 7, 9])  # nothing kept x from changing before it was read


def test_streams_of_a_capture_must_meet_again(cupy, stream):
    with pytest.raises(CUDARuntimeError, match="Unjoined"):
        forked(cupy, stream, meet=False)
    graph, *_ = forked(cupy, stream)  # and no stream is left capturing
    assert len(graph.nodes) == 3


def test_two_captures_cannot_wait_for_each_other(cupy, stream):
    other, event = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Event()
    stream.begin_capture()
    other.begin_capture()
    event.record(other)
    with pytest.raises(CUDARuntimeError, match="Merge"):
        stream.wait_event(event)


@pytest.mark.parametrize(
    ("work", "error", "words"),
    [
        (lambda cupy, a: cupy.matmul(a, a, out=a), NotImplementedError, "cuBLAS"),
        (lambda cupy, a: a.get(), RuntimeError, "is capturing"),
        (lambda cupy, a: a.set(np.zeros((2, 2))), RuntimeError, "is capturing"),
        (lambda cupy, a: float(a[0, 0]), RuntimeError, "is capturing"),
        (lambda cupy, a: a + a, CUDARuntimeError, "CaptureUnsupported"),
        (
            lambda cupy, a: cupy.add(a[:], 1.0, out=a),
            CUDARuntimeError,
            "CaptureUnsupported",
        ),  # another view: copied first
        (lambda cupy, a: cupy.add.reduce(a, -1, None, a[0]), CUDARuntimeError, "CaptureUnsupported"),
        (lambda cupy, a: cupy.cuda.get_current_stream().synchronize(), CUDARuntimeError, "CaptureUnsupported"),
    ],
)
def test_what_a_capture_refuses(cupy, stream, work, error, words):
    a = cupy.zeros((2, 2))
    cupy.get_default_memory_pool().free_all_blocks()
    stream.begin_capture(cupy.cuda.runtime.streamCaptureModeThreadLocal)
    with pytest.raises(error, match=words):
        work(cupy, a)


def test_waiting_spoils_a_capture(cupy, stream):
    stream.begin_capture()
    with pytest.raises(CUDARuntimeError, match="Unsupported"):
        stream.synchronize()
    with pytest.raises(CUDARuntimeError, match="Invalidated"):
        stream.end_capture()
    assert not stream.is_capturing()
    with pytest.raises(RuntimeError, match="default"):
        cupy.cuda.Stream.null.begin_capture()


def pinned(cupy):
    import cupyx

    return cupyx.zeros_pinned(4)


def graph_of_nothing(cupy):
    stream = cupy.cuda.Stream(non_blocking=True)
    stream.begin_capture()
    return stream.end_capture()


def array_after_its_pool(cupy):
    with cupy.cuda.using_allocator(cupy.cuda.MemoryPool().malloc):
        return cupy.zeros(3)


def pool_with_free_memory(cupy):
    pool = cupy.cuda.MemoryPool()
    with cupy.cuda.using_allocator(pool.malloc):
        cupy.zeros(3)
    cupy.cuda.get_current_stream().synchronize()
    return pool


@pytest.mark.parametrize("make", [pinned, graph_of_nothing, array_after_its_pool, pool_with_free_memory])
def test_a_release_spoils_a_capture_unseen(cupy, stream, make):
    """Where a destructor waits for the device, or frees what CUDA may not free now: it reports it to nobody."""
    released = [make(cupy) for _ in range(2)]
    stream.synchronize()
    stream.begin_capture(cupy.cuda.runtime.streamCaptureModeThreadLocal)
    released.pop()
    with pytest.raises(CUDARuntimeError, match=r"Invalidated.*(released|destroyed|freed) while"):
        stream.end_capture()
    stream.begin_capture(cupy.cuda.runtime.streamCaptureModeRelaxed)
    released.pop()
    stream.end_capture()


def test_an_array_may_go_back_to_its_pool_during_a_capture(cupy, stream):
    a = cupy.zeros(3)
    stream.synchronize()
    stream.begin_capture(cupy.cuda.runtime.streamCaptureModeThreadLocal)
    del a
    stream.end_capture()


def test_a_pool_keeps_freed_memory_for_the_stream_it_was_used_on(cupy, stream):
    pool = cupy.get_default_memory_pool()
    cupy.zeros(3)
    stream.synchronize()
    before = pool.total_bytes()
    cupy.zeros(3)
    stream.synchronize()
    assert pool.total_bytes() == before
    with cupy.cuda.Stream.null:
        cupy.zeros(3)
    assert pool.total_bytes() > before


def test_set_needs_a_contiguous_array(cupy):
    a = cupy.zeros((4, 6))
    a.T.set(np.ones((6, 4)))
    with pytest.raises(RuntimeError, match="non-contiguous"):
        a[:, ::2].set(np.ones((4, 3)))


def test_matrices_and_stacks_are_multiplied_by_different_functions(cupy):
    """Two matrices mind the compute type and may be transposed; a stack does not, and is copied unless contiguous."""
    linalg, pool = cupy._core._routines_linalg, cupy.get_default_memory_pool()
    a = cupy.asarray(np.full((1, 2, 2), 1 + 2.0**-12, "float32"))
    one, stack = cupy.empty((2, 2), "float32"), cupy.empty((1, 2, 2), "float32")
    linalg.set_compute_type(np.float32, linalg.COMPUTE_TYPE_TF32)
    try:
        cupy.matmul(a[0], a[0], out=one)
        cupy.matmul(a, a, out=stack)
    finally:
        linalg.set_compute_type(np.float32, linalg.COMPUTE_TYPE_FP32)
    assert_array_equal(one.get(), 2)
    assert (stack.get() > 2).all()
    pool.free_all_blocks()
    held = pool.total_bytes()
    cupy.matmul(a[0], a[0].T, out=one)
    assert pool.total_bytes() == held
    cupy.matmul(a, a.swapaxes(-1, -2), out=stack)
    assert pool.total_bytes() > held


def test_a_graph_does_not_keep_its_arrays(cupy, stream):
    a = cupy.zeros(3)
    stream.synchronize()
    stream.begin_capture()
    cupy.add(a, 1.0, out=a)
    graph = stream.end_capture()
    graph.launch()
    stream.synchronize()
    del a
    gc.collect()
    graph.launch()
    with pytest.raises(GraphFault, match="gone"):
        stream.synchronize()


def test_a_pool_of_its_own_lets_a_graph_have_temporary_arrays(cupy, stream):
    a, pool = cupy.ones(3), cupy.cuda.MemoryPool()
    for mode in (cupy.cuda.runtime.streamCaptureModeThreadLocal, cupy.cuda.runtime.streamCaptureModeRelaxed):
        with cupy.cuda.using_allocator(pool.malloc):
            cupy.add(a + a, 1.0, out=a)
            stream.begin_capture(mode)
            cupy.add(a + a, 1.0, out=a)
            graph = stream.end_capture()
    graph.launch()
    assert_array_equal(a.get(), 15)
    stream.begin_capture()  # the relaxed mode takes memory from the default pool, which may be dealt again
    cupy.add(a + a, 1.0, out=a)
    graph = stream.end_capture()
    graph.launch()
    with pytest.raises(GraphFault, match="gone"):
        stream.synchronize()


def test_memory_runs_out(cupy):
    DEVICE.memory = 4096
    pool = cupy.get_default_memory_pool()
    kept = cupy.zeros(256)
    assert pool.used_bytes() == 2048
    with pytest.raises(OutOfMemoryError, match="Out of memory allocating"):
        cupy.zeros(512)
    cupy.cuda.Stream.null.synchronize()
    del kept
    gc.collect()
    cupy.zeros(512)
    pool.free_all_blocks()
    pool.set_limit(size=1024)
    with pytest.raises(OutOfMemoryError):
        cupy.zeros(256)
    assert cupy.cuda.runtime.memGetInfo()[1] == 4096


def test_arguments_of_kernels_are_checked_at_the_launch(cupy):
    kernel, x, y = twice(cupy), cupy.ones(4, "float32"), cupy.zeros(4, "float32")
    for wrong in ((x, y), (x, y, np.int64(4)), (x.astype("float64"), y, np.int32(4))):
        with pytest.raises(TypeError):
            kernel((1, 1, 1), (32, 1, 1), wrong)
    with pytest.raises(TypeError, match="Unsupported"):
        kernel((1, 1, 1), (32, 1, 1), (x, np.zeros(4, "float32"), np.int32(4)))
    kernel((1, 1, 1), (32, 1, 1), (x[1:3], y[:2], np.int32(2)))
    assert_array_equal(y.get(), [2, 2, 0, 0])
