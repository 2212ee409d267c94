// Rung 6: four numbers a load.   c = a b
//
//   a (M, K)   b (K, N)   c (M, N)   row after row, K and N multiples of 4, arrays aligned to 16 bytes
//
// launch   grid (ceil(N / 64), ceil(M / 64))   block 256: a 64 x 64 tile in steps of 16, 4 x 4 a thread
// loads    those of rung 5 in a quarter of the instructions
//
// The step: a thread's four columns are neighbours, so one instruction can load all four; its four rows are not, so
// the panel of a is stored transposed, and then they are. Reads from memory become 16 bytes as well. The rows of the
// panel of a are 4 longer than they need be, so that the transposing stores fall on different banks.

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
wide(const REAL* __restrict__ a, const REAL* __restrict__ b, REAL* __restrict__ c, int M, int N, int K) {
  __shared__ __align__(16) REAL a_panel[DEEP][TILE + PAD], b_panel[DEEP][TILE];
  const int m0 = blockIdx.y * TILE, n0 = blockIdx.x * TILE;
  const int first_row = threadIdx.x / ACROSS * SIDE, first_column = threadIdx.x % ACROSS * SIDE;
  const int a_m = threadIdx.x / (DEEP / 4), a_k = threadIdx.x % (DEEP / 4) * 4;  // 256 threads load 256 fours
  const int b_k = threadIdx.x / (TILE / 4), b_n = threadIdx.x % (TILE / 4) * 4;

  REAL sum[SIDE][SIDE] = {};
  for (int k0 = 0; k0 < K; k0 += DEEP) {
    const Four from_a = four(&a[(long long)(m0 + a_m) * K + k0 + a_k], m0 + a_m < M && k0 + a_k < K);
#pragma unroll
    for (int e = 0; e < 4; e++) a_panel[a_k + e][a_m] = from_a.at[e];
    *reinterpret_cast<Four*>(&b_panel[b_k][b_n]) =
        four(&b[(long long)(k0 + b_k) * N + n0 + b_n], k0 + b_k < K && n0 + b_n < N);
    __syncthreads();
    for (int k = 0; k < DEEP; k++) {
      const Four a_mine = *reinterpret_cast<const Four*>(&a_panel[k][first_row]);
      const Four b_mine = *reinterpret_cast<const Four*>(&b_panel[k][first_column]);
#pragma unroll
      for (int i = 0; i < SIDE; i++)
#pragma unroll
        for (int j = 0; j < SIDE; j++) sum[i][j] += a_mine.at[i] * b_mine.at[j];
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
