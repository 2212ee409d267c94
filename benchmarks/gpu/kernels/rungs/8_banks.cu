// Rung 8: stores that fall on 32 different banks.   c = a b
//
//   a (M, K)   b (K, N)   c (M, N)   row after row, K and N multiples of 4, arrays aligned to 16 bytes
//
// launch   grid (ceil(N / 64), ceil(M / 64))   block 256: a 64 x 64 tile in steps of 16, 4 x 4 a thread
// loads    those of rung 7
//
// The step: shared memory has 32 banks, four bytes wide, and serves a warp at once only if its lanes want different ones.
// The transposing store of rung 7 sends the four loads along k of a row to banks 0, 16, 0 and 16 beside one another: two
// lanes for each bank, so every store takes twice its time. Here a warp brings two loads along k of sixteen rows instead
// of four of eight: 32 lanes, 32 banks. From memory that is 32 bytes a row, still a full sector.

#define TILE 64
#define DEEP 16
#define SIDE 4
#define PAD 4
#define ACROSS (TILE / SIDE)
#define THREADS (ACROSS * ACROSS)

struct __align__(4 * sizeof(REAL) < 16 ? 4 * sizeof(REAL) : 16) Four { REAL at[4]; };

__device__ __forceinline__ Four four(const REAL* __restrict__ from, bool inside) {
  return inside ? *reinterpret_cast<const Four*>(from) : Four{};
}

extern "C" __global__ void __launch_bounds__(THREADS)
banks(const REAL* __restrict__ a, const REAL* __restrict__ b, REAL* __restrict__ c, int M, int N, int K) {
  __shared__ __align__(16) REAL a_panel[2][DEEP][TILE + PAD], b_panel[2][DEEP][TILE];
  const int m0 = blockIdx.y * TILE, n0 = blockIdx.x * TILE;
  const int first_row = threadIdx.x / ACROSS * SIDE, first_column = threadIdx.x % ACROSS * SIDE;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int a_m = warp / 2 * 16 + lane / 2, a_k = (warp % 2 * 2 + lane % 2) * 4;
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
      for (int k = 0; k < DEEP; k++) {
        const Four a_mine = *reinterpret_cast<const Four*>(&a_panel[now][k][first_row]);
        const Four b_mine = *reinterpret_cast<const Four*>(&b_panel[now][k][first_column]);
#pragma unroll
        for (int i = 0; i < SIDE; i++)
#pragma unroll
          for (int j = 0; j < SIDE; j++) sum[i][j] += a_mine.at[i] * b_mine.at[j];
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
      const int m = m0 + first_row + i, n = n0 + first_column + j;
      if (m < M && n < N) c[m * N + n] = sum[i][j];
    }
}
