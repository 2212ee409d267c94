// Rung 9: a warp computes a patch of the tile that is nearly square.   c = a b
//
//   a (M, K)   b (K, N)   c (M, N)   row after row, K and N multiples of 4, arrays aligned to 16 bytes
//
// launch   grid (ceil(N / 128), ceil(M / 128))   block 256: a 128 x 128 tile in steps of 8, 8 x 8 a thread
// loads    half of those of rung 8 from memory: the tile is twice as wide
//
// The step: by now it is shared memory that the multiplications wait for. A thread with 8 x 8 sums reads 16 numbers for 64
// multiplications, where 4 x 4 reads 8 for 16. And what a warp reads together comes once for all of its lanes: with its
// threads in two rows of sixteen it would want 16 numbers of a and 128 of b, as 4 x 8 threads 32 and 64.
// A thread's rows are two groups of four, half a warp's patch apart, and so are its columns: each is one load, and the
// loads of the lanes lie side by side.

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

struct __align__(4 * sizeof(REAL) < 16 ? 4 * sizeof(REAL) : 16) Four { REAL at[4]; };

__device__ __forceinline__ Four four(const REAL* __restrict__ from, bool inside) {
  return inside ? *reinterpret_cast<const Four*>(from) : Four{};
}

// The i-th of a thread's rows (or columns) in the patch of its warp, LANES threads side by side.
template <int LANES> __device__ __forceinline__ int place(int lane, int i) { return i / 4 * (LANES * 4) + lane * 4 + i % 4; }

extern "C" __global__ void __launch_bounds__(THREADS)
warps(const REAL* __restrict__ a, const REAL* __restrict__ b, REAL* __restrict__ c, int M, int N, int K) {
  __shared__ __align__(16) REAL a_panel[2][DEEP][TILE + PAD], b_panel[2][DEEP][TILE];
  const int m0 = blockIdx.y * TILE, n0 = blockIdx.x * TILE, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int lane_m = lane / LANES_N, lane_n = lane % LANES_N;
  const int patch_m = warp / WARPS_N * PATCH_M, patch_n = warp % WARPS_N * PATCH_N;
  const int a_m = warp * 16 + lane / 2, a_k = lane % 2 * 4;
  const int b_k = threadIdx.x / (TILE / 4), b_n = threadIdx.x % (TILE / 4) * 4;

  REAL sum[SIDE][SIDE] = {};
  for (int k0 = -DEEP, now = 1; k0 < K; k0 += DEEP, now ^= 1) {  // the first round only loads
    const int next = k0 + DEEP;
    Four from_a, from_b;
    if (next < K) {
      from_a = four(&a[(long long)(m0 + a_m) * K + next + a_k], m0 + a_m < M && next + a_k < K);
      from_b = four(&b[(long long)(next + b_k) * N + n0 + b_n], next + b_k < K && n0 + b_n < N);
    }
    if (k0 >= 0)
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
    if (next < K) {
#pragma unroll
      for (int e = 0; e < 4; e++) a_panel[now ^ 1][a_k + e][a_m] = from_a.at[e];
      *reinterpret_cast<Four*>(&b_panel[now ^ 1][b_k][b_n]) = from_b;
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < SIDE; i++)
#pragma unroll
    for (int j = 0; j < SIDE; j++) {
      const int m = m0 + patch_m + place<LANES_M>(lane_m, i), n = n0 + patch_n + place<LANES_N>(lane_n, j);
      if (m < M && n < N) c[(long long)m * N + n] = sum[i][j];
    }
}
