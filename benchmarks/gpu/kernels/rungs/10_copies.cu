// Rung 10: panels that come past the registers, two steps ahead.   c = a b
//
//   a (M, K)   b (K, N)   c (M, N)   row after row, K and N multiples of 4, arrays aligned to 16 bytes
//
// launch   grid (ceil(N / 128), ceil(M / 128))   block 256: a 128 x 128 tile in steps of 8, 8 x 8 a thread
// loads    those of rung 9
//
// The step: one step of multiplications is shorter than the way from memory, and a step further ahead would take as many
// registers again. From sm_80 on a thread can ask for a copy to shared memory and go on; what it asks for between two
// commits is a group, and it waits until all but so many groups are there. So three panels take turns in a ring: one is
// multiplied, two are on their way, and nothing of them is in registers. The panel of a is transposed by copying element
// by element, eight along k of four rows a warp, on 32 different banks as in rung 8. In double precision three panels do
// not fit, and two take turns. Older devices copy at once, which is right, and slow.
//
// From here to ../../../../kernels/gemm.cu nothing new happens to the product: tiles of several sizes for results of
// several shapes, distances between rows and replicas, transposed operands, what follows the sum fused into its end, and
// splits of K for results with few tiles.

#define TILE 128
#define DEEP 8
#define SIDE 8
#define PAD 4
#define LANES_M 4
#define LANES_N 8
#define WARPS_N 2
#define PATCH_M (LANES_M * SIDE)
#define PATCH_N (LANES_N * SIDE)
#define THREADS 256
#define PANELS (sizeof(REAL) == 4 ? 3 : 2)

// Names of cuda_pipeline_primitives.h, which NVRTC does not come with.
#ifdef __CUDACC_RTC__
__device__ __forceinline__ void __pipeline_memcpy_async(void* shared, const void* memory, size_t bytes, size_t zeros) {
#if __CUDA_ARCH__ >= 800
  const unsigned at = (unsigned)__cvta_generic_to_shared(shared), read = (unsigned)(bytes - zeros);
  if (bytes == 16) asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(memory), "r"(read) : "memory");
  else if (bytes == 8) asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(at), "l"(memory), "r"(read) : "memory");
  else asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(at), "l"(memory), "r"(read) : "memory");
#else
  for (size_t word = 0; word < bytes / 4; word++) ((int*)shared)[word] = zeros ? 0 : ((const int*)memory)[word];
#endif
}
__device__ __forceinline__ void __pipeline_commit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int GROUPS> __device__ __forceinline__ void wait_for_all_but() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(GROUPS) : "memory");
#endif
}
#else
template <int GROUPS> __device__ __forceinline__ void wait_for_all_but() { __pipeline_wait_prior(GROUPS); }
#endif

struct __align__(4 * sizeof(REAL) < 16 ? 4 * sizeof(REAL) : 16) Four { REAL at[4]; };

// The i-th of a thread's rows (or columns) in the patch of its warp, LANES threads side by side.
template <int LANES> __device__ __forceinline__ int place(int lane, int i) { return i / 4 * (LANES * 4) + lane * 4 + i % 4; }

extern "C" __global__ void __launch_bounds__(THREADS)
copies(const REAL* __restrict__ a, const REAL* __restrict__ b, REAL* __restrict__ c, int M, int N, int K) {
  __shared__ __align__(16) REAL a_panel[PANELS][DEEP][TILE + PAD], b_panel[PANELS][DEEP][TILE];
  const int m0 = blockIdx.y * TILE, n0 = blockIdx.x * TILE, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int lane_m = lane / LANES_N, lane_n = lane % LANES_N;
  const int patch_m = warp / WARPS_N * PATCH_M, patch_n = warp % WARPS_N * PATCH_N;

  const auto send = [&](int k0, int panel) {
    if (k0 < K) {
#pragma unroll
      for (int i = 0; i < DEEP * TILE / THREADS; i++) {
        const int m = i * 32 + warp * 4 + lane / 8, k = lane % 8;
        const bool inside = m0 + m < M && k0 + k < K;
        const REAL* from = inside ? &a[(long long)(m0 + m) * K + k0 + k] : a;
        __pipeline_memcpy_async(&a_panel[panel][k][m], from, sizeof(REAL), inside ? 0 : sizeof(REAL));
      }
      constexpr int WIDTH = 16 / sizeof(REAL);
#pragma unroll
      for (int i = 0; i < DEEP * TILE / THREADS / WIDTH; i++) {
        const int load = threadIdx.x + i * THREADS, k = load / (TILE / WIDTH), n = load % (TILE / WIDTH) * WIDTH;
        const bool inside = k0 + k < K && n0 + n < N;
        const REAL* from = inside ? &b[(long long)(k0 + k) * N + n0 + n] : b;
        __pipeline_memcpy_async(&b_panel[panel][k][n], from, 16, inside ? 0 : 16);
      }
    }
    __pipeline_commit();  // also without copies, so that all but the last ones are those of the coming step
  };

  REAL sum[SIDE][SIDE] = {};
  for (int ahead = 0; ahead < PANELS - 1; ahead++) send(ahead * DEEP, ahead);
  for (int k0 = 0, now = 0; k0 < K; k0 += DEEP) {
    wait_for_all_but<PANELS - 2>();
    __syncthreads();  // everyone's copies are there, and nobody reads the panel before this one any more
    send(k0 + (PANELS - 1) * DEEP, now == 0 ? PANELS - 1 : now - 1);
#pragma unroll 2  // further, and loads move up until registers run out
    for (int k = 0; k < DEEP; k++) {
      Four a_mine[2], b_mine[2];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        a_mine[half] = *reinterpret_cast<const Four*>(&a_panel[now][k][patch_m + place<LANES_M>(lane_m, half * 4)]);
        b_mine[half] = *reinterpret_cast<const Four*>(&b_panel[now][k][patch_n + place<LANES_N>(lane_n, half * 4)]);
      }
#pragma unroll
      for (int i = 0; i < SIDE; i++)
#pragma unroll
        for (int j = 0; j < SIDE; j++) sum[i][j] += a_mine[i / 4].at[i % 4] * b_mine[j / 4].at[j % 4];
    }
    now = now == PANELS - 1 ? 0 : now + 1;
  }
#pragma unroll
  for (int i = 0; i < SIDE; i++)
#pragma unroll
    for (int j = 0; j < SIDE; j++) {
      const int m = m0 + patch_m + place<LANES_M>(lane_m, i), n = n0 + patch_n + place<LANES_N>(lane_n, j);
      if (m < M && n < N) c[(long long)m * N + n] = sum[i][j];
    }
}
