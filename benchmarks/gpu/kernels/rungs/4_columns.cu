// Rung 4: a thread computes eight elements of a column.   c = a b
//
//   a (M, K)   b (K, N)   c (M, N)   row after row
//
// launch   grid (ceil(N / 64), ceil(M / 64))   block 512: a 64 x 64 tile in steps of 8
// loads    2 / 64 numbers from memory for every multiplication, and 9 / 8 from shared memory
//
// The step: rung 3 waits for shared memory, two reads for each multiplication. A thread that keeps eight sums in
// registers reads one number of b and uses it eight times. And the tile has grown: a number from memory serves 64.

#define TILE 64
#define DEEP 8
#define PER_THREAD 8

extern "C" __global__ void __launch_bounds__(TILE * TILE / PER_THREAD)
columns(const REAL* __restrict__ a, const REAL* __restrict__ b, REAL* __restrict__ c, int M, int N, int K) {
  __shared__ REAL a_panel[TILE][DEEP], b_panel[DEEP][TILE];
  const int m0 = blockIdx.y * TILE, n0 = blockIdx.x * TILE;
  const int column = threadIdx.x % TILE, first_row = threadIdx.x / TILE * PER_THREAD;
  const int a_m = threadIdx.x / DEEP, a_k = threadIdx.x % DEEP;  // 512 threads load the 512 numbers of each panel
  const int b_k = threadIdx.x / TILE, b_n = threadIdx.x % TILE;

  REAL sum[PER_THREAD] = {};
  for (int k0 = 0; k0 < K; k0 += DEEP) {
    a_panel[a_m][a_k] = m0 + a_m < M && k0 + a_k < K ? a[(m0 + a_m) * K + k0 + a_k] : (REAL)0;
    b_panel[b_k][b_n] = k0 + b_k < K && n0 + b_n < N ? b[(k0 + b_k) * N + n0 + b_n] : (REAL)0;
    __syncthreads();
    for (int k = 0; k < DEEP; k++) {
      const REAL b_mine = b_panel[k][column];
#pragma unroll
      for (int i = 0; i < PER_THREAD; i++) sum[i] += a_panel[first_row + i][k] * b_mine;
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < PER_THREAD; i++) {
    const int m = m0 + first_row + i, n = n0 + column;
    if (m < M && n < N) c[m * N + n] = sum[i];
  }
}
