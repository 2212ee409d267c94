// Rung 5: a thread computes a square of c.   c = a b
//
//   a (M, K)   b (K, N)   c (M, N)   row after row
//
// launch   grid (ceil(N / 64), ceil(M / 64))   block 256: a 64 x 64 tile in steps of 16, 4 x 4 a thread
// loads    2 / 64 numbers from memory for every multiplication, and 8 / 16 from shared memory
//
// The step: with 4 numbers of a and 4 of b in registers a thread does 16 multiplications, an outer product. Both
// operands are now reused, and arithmetic, not shared memory, becomes the limit. An 8 x 8 square (rung 7 on a tile of
// 128) halves the reads again and costs 64 registers for its sums.

#define TILE 64
#define DEEP 16
#define SIDE 4
#define ACROSS (TILE / SIDE)
#define THREADS (ACROSS * ACROSS)

extern "C" __global__ void __launch_bounds__(THREADS)
squares(const REAL* __restrict__ a, const REAL* __restrict__ b, REAL* __restrict__ c, int M, int N, int K) {
  __shared__ REAL a_panel[TILE][DEEP], b_panel[DEEP][TILE];
  const int m0 = blockIdx.y * TILE, n0 = blockIdx.x * TILE;
  const int first_row = threadIdx.x / ACROSS * SIDE, first_column = threadIdx.x % ACROSS * SIDE;

  REAL sum[SIDE][SIDE] = {};
  for (int k0 = 0; k0 < K; k0 += DEEP) {
    for (int load = threadIdx.x; load < TILE * DEEP; load += THREADS) {
      const int a_m = load / DEEP, a_k = load % DEEP, b_k = load / TILE, b_n = load % TILE;
      a_panel[a_m][a_k] = m0 + a_m < M && k0 + a_k < K ? a[(m0 + a_m) * K + k0 + a_k] : (REAL)0;
      b_panel[b_k][b_n] = k0 + b_k < K && n0 + b_n < N ? b[(k0 + b_k) * N + n0 + b_n] : (REAL)0;
    }
    __syncthreads();
    for (int k = 0; k < DEEP; k++) {
      REAL a_mine[SIDE], b_mine[SIDE];
#pragma unroll
      for (int i = 0; i < SIDE; i++) a_mine[i] = a_panel[first_row + i][k];
#pragma unroll
      for (int j = 0; j < SIDE; j++) b_mine[j] = b_panel[k][first_column + j];
#pragma unroll
      for (int i = 0; i < SIDE; i++)
#pragma unroll
        for (int j = 0; j < SIDE; j++) sum[i][j] += a_mine[i] * b_mine[j];
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
