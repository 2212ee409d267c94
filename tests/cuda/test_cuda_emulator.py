"""The emulator against what the CUDA manual says of each name, and against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.cuda.cuda_build import BuildError
from tests.cuda.cuda_emulator import ORDERS, Emulator, KernelFault

pytestmark = pytest.mark.usefixtures("toolchain")

WARP = np.arange(32)


def function(source, order="forward", seed=0, options=()):
    module = Emulator(order, seed).compile(source, "kernel.cu", options)
    return module.get_function("kernel")


C_TYPES = {
    "float32": "float",
    "float64": "double",
    "int32": "int",
    "uint32": "unsigned",
    "int64": "long long",
    "uint64": "unsigned long long",
}


def one_warp(expression, result, threads=32):
    """Evaluate an expression of `lane` in every lane of a warp."""
    y = np.zeros(threads, result)
    source = f"""extern "C" __global__ void kernel({C_TYPES[result]}* y) {{
        const int lane = threadIdx.x; y[lane] = {expression}; }}"""
    function(source)((1, 1, 1), (threads, 1, 1), (y,))
    return y


# ---------------------------------------------------------------- warps


@pytest.mark.parametrize(
    "expression, expected",
    [
        ("__shfl_sync(0xffffffffu, lane * 10, 3)", np.full(32, 30)),
        ("__shfl_sync(0xffffffffu, lane, lane + 1)", (WARP + 1) % 32),
        ("__shfl_sync(0xffffffffu, lane, 1, 8)", WARP // 8 * 8 + 1),
        ("__shfl_down_sync(0xffffffffu, lane, 5)", np.where(WARP + 5 < 32, WARP + 5, WARP)),
        ("__shfl_down_sync(0xffffffffu, lane, 3, 8)", np.where(WARP % 8 + 3 < 8, WARP + 3, WARP)),
        ("__shfl_up_sync(0xffffffffu, lane, 5)", np.where(WARP >= 5, WARP - 5, WARP)),
        ("__shfl_up_sync(0xffffffffu, lane, 3, 16)", np.where(WARP % 16 >= 3, WARP - 3, WARP)),
        ("__shfl_xor_sync(0xffffffffu, lane, 16)", WARP ^ 16),
        ("__shfl_xor_sync(0xffffffffu, lane, 2, 4)", WARP ^ 2),
        ("__any_sync(0xffffffffu, lane == 7)", np.ones(32)),
        ("__all_sync(0xffffffffu, lane < 31)", np.zeros(32)),
        ("__all_sync(0xffffffffu, lane < 32)", np.ones(32)),
    ],
)
def test_warp_collectives(expression, expected):
    assert_array_equal(one_warp(expression, "int32"), expected)


def test_ballot_of_a_half_warp():
    votes = one_warp("lane < 16 ? __ballot_sync(0x0000ffffu, lane % 3 == 0) : 7u", "uint32")
    assert_array_equal(votes, [sum(1 << lane for lane in range(0, 16, 3))] * 16 + [7] * 16)


def test_shuffle_moves_doubles_and_long_longs_whole():
    assert_array_equal(one_warp("__shfl_xor_sync(0xffffffffu, 1.0 / (lane + 1), 1)", "float64"), 1.0 / ((WARP ^ 1) + 1))
    wide = one_warp("__shfl_xor_sync(0xffffffffu, (1LL << 40) + lane, 1)", "int64")
    assert_array_equal(wide, (1 << 40) + (WARP ^ 1))


def test_a_block_that_is_not_whole_warps_names_lanes_that_do_not_exist():
    with pytest.raises(KernelFault, match="names lanes past the end of the block"):
        one_warp("__shfl_xor_sync(0xffffffffu, lane, 1)", "int32", threads=20)


# ---------------------------------------------------------------- blocks


@pytest.mark.parametrize("order", ORDERS)
def test_votes_of_a_block(order):
    source = """extern "C" __global__ void kernel(int* y) {
        const int t = threadIdx.x;
        const int many = __syncthreads_count(t % 3 == 0), every = __syncthreads_and(t < 99);
        const int some = __syncthreads_or(t == 99);
        y[t] = many * 100 + every * 10 + some; }"""
    y = np.zeros(100, "int32")
    function(source, order)((1, 1, 1), (100, 1, 1), (y,))
    assert_array_equal(y, np.full(100, 3401))


def test_indices_of_three_dimensions():
    source = """extern "C" __global__ void kernel(int* y) {
        const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
        const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
        y[block * blockDim.x * blockDim.y * blockDim.z + thread] = block * 1000 + thread; }"""
    y = np.zeros((2 * 3 * 4, 4 * 3 * 2), "int32")
    function(source, "random")((2, 3, 4), (4, 3, 2), (y,))
    assert_array_equal(y, 1000 * np.arange(24)[:, None] + np.arange(24))


def test_shared_memory_starts_as_nan_in_every_block_and_dynamic_memory_too():
    source = """extern "C" __global__ void kernel(float* y) {
        __shared__ float a, b[3][5]; extern __shared__ __align__(16) float c[];
        const int k = blockIdx.x * 3;
        y[k] = a; y[k + 1] = b[2][4]; y[k + 2] = c[1]; a = b[2][4] = c[1] = 1; }"""
    y = np.zeros((4, 3), "float32")
    function(source)((4, 1, 1), (1, 1, 1), (y,), shared_mem=8)
    assert np.isnan(y).all()


def test_orders_differ_and_random_repeats_by_its_seed():
    source = """extern "C" __global__ void kernel(int* next, int* order) {
        order[atomicAdd(next, 1)] = blockIdx.x * 4 + threadIdx.x; }"""

    def run(order, seed=0):
        ran = np.zeros(12, "int32")
        function(source, order, seed)((3, 1, 1), (4, 1, 1), (np.zeros(1, "int32"), ran))
        return ran.tolist()

    assert run("forward") == list(range(12))
    assert run("reverse") == list(range(12))[::-1]
    assert run("random", 1) == run("random", 1) != run("random", 2)
    assert sorted(run("random", 1)) == list(range(12))


# ---------------------------------------------------------------- arithmetic


@pytest.mark.parametrize(
    "expression, result, expected",
    [
        ("max(0.f / (lane * 0.f), 2.f)", "float32", 2),  # NaN loses, as on the device
        ("fmaxf(2.f, 0.f / (lane * 0.f))", "float32", 2),
        ("min(0. / (lane * 0.), 2.)", "float64", 2),
        ("max(-1, 2u)", "uint32", 2**32 - 1),
        ("rsqrtf(4.f) + rsqrt(16.)", "float32", 0.75),
        ("__expf(1.f)", "float32", np.float32(np.e)),
        ("exp(1.0)", "float64", np.e),
        ("fmaf(2.f, 3.f, 4.f)", "float32", 10),
        ("__umulhi(0xffffffffu, 0xffffffffu)", "uint32", 0xFFFFFFFE),
        ("__umul64hi(0xffffffffffffffffULL, 3ULL)", "uint64", 2),
        ("__popc(0xf0f0u) + __clz(1) + __ffs(8) + __clz(0)", "int32", 8 + 31 + 4 + 32),
        ("__brev(1u)", "uint32", 1 << 31),
        ("__float_as_int(-0.f)", "int32", -(2**31)),
        ("__int_as_float(0x7f800000)", "float32", np.inf),
        ("__longlong_as_double(0x7ff0000000000000LL)", "float64", np.inf),
        ("make_float4(1, 2, 3, 4).w + make_double2(5, 6).y", "float32", 10),
        ("sizeof(float4) * 100 + alignof(float4) + alignof(double2) + alignof(uchar4)", "int32", 1636),
    ],
)
def test_arithmetic(expression, result, expected):
    assert_allclose(one_warp(expression, result), np.full(32, expected, result), rtol=1e-6)


@pytest.mark.parametrize(
    "call, start, expected",
    [
        ("atomicAdd(y, 2)", 1, 65),
        ("atomicSub(y, 1)", 32, 0),
        ("atomicMax(y, (int)threadIdx.x)", 5, 31),
        ("atomicMin(y, (int)threadIdx.x)", 5, 0),
        ("atomicOr(y, 1 << threadIdx.x % 4)", 0, 15),
        ("atomicAnd(y, ~(1 << threadIdx.x % 4))", 255, 240),
        ("atomicXor(y, 1)", 6, 6),
        ("atomicCAS(y, 7, 8)", 7, 8),
        ("atomicExch(y, 9)", 7, 9),
    ],
)
@pytest.mark.parametrize("c_type, dtype", [("int", "int32"), ("unsigned long long", "uint64")])
def test_atomics(call, start, expected, c_type, dtype):
    y = np.array([start], dtype)
    function(f'extern "C" __global__ void kernel({c_type}* y) {{ {call}; }}')((1, 1, 1), (32, 1, 1), (y,))
    assert y[0] == expected


# ---------------------------------------------------------------- arguments

ADD_ONE = """extern "C" __global__ void kernel(const float* x, float* y, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) y[i] = x[i] + 1; }"""


def launch(x, y, n=None, **extent):
    n = np.int32(np.size(x)) if n is None else n
    function(ADD_ONE)(extent.get("grid", (1, 1, 1)), extent.get("block", (64, 1, 1)), (x, y, n))


def test_work_in_place_is_in_place():
    x = np.zeros(10, "float32")
    launch(x, x)
    launch(x[:5], x[:5])
    assert_array_equal(x, [2] * 5 + [1] * 5)


def test_a_view_keeps_its_alignment_and_its_neighbours():
    x, y = np.arange(12, dtype="float32"), np.zeros(12, "float32")
    launch(x[1:6], y[3:8])
    assert_array_equal(y, [0] * 3 + [2, 3, 4, 5, 6] + [0] * 4)
    source = 'extern "C" __global__ void kernel(const float* x, int* y) { *y = (unsigned long long)x % 16; }'
    offset = np.zeros(1, "int32")
    aligned = x[-x.ctypes.data // 4 % 4 :]
    function(source)((1, 1, 1), (1, 1, 1), (aligned[1:], offset))
    assert offset[0] == 4


def test_a_strided_view_is_read_through_strides():
    source = """extern "C" __global__ void kernel(const float* x, float* y, int stride) {
        y[threadIdx.x] = x[threadIdx.x * stride]; }"""
    x, y = np.arange(12, dtype="float32").reshape(4, 3), np.zeros(4, "float32")
    function(source)((1, 1, 1), (4, 1, 1), (x[:, 1], y, np.int32(3)))
    assert_array_equal(y, x[:, 1])


@pytest.mark.parametrize(
    "x, y, n, message",
    [
        (np.zeros(4), np.zeros(4, "float32"), None, r"argument 0 is \*f8, the kernel takes \*cf4"),
        (np.zeros(4, "float32"), np.zeros(4, "float32"), np.int64(4), "argument 2 is i8, the kernel takes i4"),
        (np.zeros(4, "float32"), np.zeros(4, "int32"), None, r"argument 1 is \*i4, the kernel takes \*f4"),
        (np.float32(1), np.zeros(4, "float32"), None, r"argument 0 is f4, the kernel takes \*cf4"),
        (np.zeros(4, "float32"), np.broadcast_to(np.float32(0), 4), None, "argument 1 is written to"),
    ],
)
def test_arguments_of_another_type_are_refused(x, y, n, message):
    with pytest.raises(TypeError, match=message):
        launch(x, y, n)


def test_a_wrong_count_is_refused():
    with pytest.raises(TypeError, match="takes 3 arguments, got 1"):
        function(ADD_ONE)((1, 1, 1), (1, 1, 1), (np.zeros(1, "float32"),))


def test_a_null_pointer_is_a_null_pointer():
    source = 'extern "C" __global__ void kernel(const float* x, int* y) { *y = x ? 1 : 2; }'
    y = np.zeros(1, "int32")
    function(source)((1, 1, 1), (1, 1, 1), (np.uint64(0), y))
    assert y[0] == 2


def test_misaligned_vectors_of_a_global_array_are_refused():
    source = """extern "C" __global__ void kernel(const float* x, float* y) {
        *y = reinterpret_cast<const float4*>(x)->w; }"""
    whole = np.zeros(64, "float32")
    x = whole[-whole.ctypes.data // 4 % 4 + 1 :][:4]
    with pytest.raises(
        KernelFault, match="line 2: misaligned access to .*float4.*, which needs a multiple of 16 bytes"
    ):
        function(source)((1, 1, 1), (1, 1, 1), (x, np.zeros(1, "float32")))


def test_more_threads_than_launch_bounds():
    source = 'extern "C" __global__ void __launch_bounds__(2 * WARPS * 16) kernel(int* y) { y[threadIdx.x] = 1; }'
    y = np.zeros(65, "int32")
    kernel = function(source, options=("-DWARPS=2",))
    kernel((1, 1, 1), (64, 1, 1), (y,))
    with pytest.raises(KernelFault, match="more threads than its __launch_bounds__, 64"):
        kernel((1, 1, 1), (65, 1, 1), (y,))


# ---------------------------------------------------------------- building


def test_what_does_not_compile_says_where():
    with pytest.raises(BuildError, match=r"kernel.cu:2"):
        function('extern "C" __global__ void kernel(int* y) {\n *y = nothing; }')


def test_macros_choose_and_an_unknown_name_lists_the_kernels():
    source = """
#if WIDE
extern "C" __global__ void wide(int* y) { *y = VALUE; }
#else
extern "C" __global__ void narrow(int* y) { *y = -VALUE; }
#endif
// a comment may speak of __global__ void nothing() and of __shared__ float memory[4];
"""
    module = Emulator().compile(source, "kernel.cu", ("-DWIDE=1", "-DVALUE=5"))
    y = np.zeros(1, "int32")
    module.get_function("wide")((1, 1, 1), (1, 1, 1), (y,))
    assert y[0] == 5
    with pytest.raises(KeyError, match="has no kernel narrow, only wide"):
        module.get_function("narrow")
