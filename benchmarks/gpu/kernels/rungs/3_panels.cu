// Rung 3: what the threads of a block share is read from memory once.   c = a b
//
//   a (M, K)   b (K, N)   c (M, N)   row after row
//
// launch   grid (ceil(N / 16), ceil(M / 16))   block (16, 16)
// loads    2 / 16 numbers from memory for every multiplication, and 2 from shared memory
//
// The step: all 16 threads of a column of the block need the same numbers of b, all 16 of a row the same of a. So the
// block loads a panel of each into shared memory, a number a thread, and everyone multiplies from there. Two barriers
// a step: nobody reads a panel before it is whole, nobody overwrites one that is still read. Threads outside of c
// load zeros and stay to the end, because a barrier waits for everyone.

#define TILE 16

extern "C" __global__ void __launch_bounds__(TILE * TILE)
panels(const REAL* __restrict__ a, const REAL* __restrict__ b, REAL* __restrict__ c, int M, int N, int K) {
  __shared__ REAL a_panel[TILE][TILE], b_panel[TILE][TILE];
  const int n = blockIdx.x * TILE + threadIdx.x, m = blockIdx.y * TILE + threadIdx.y;
  REAL sum = 0;
  for (int k0 = 0; k0 < K; k0 += TILE) {
    const int a_k = k0 + threadIdx.x, b_k = k0 + threadIdx.y;
    a_panel[threadIdx.y][threadIdx.x] = m < M && a_k < K ? a[m * K + a_k] : (REAL)0;
    b_panel[threadIdx.y][threadIdx.x] = b_k < K && n < N ? b[b_k * N + n] : (REAL)0;
    __syncthreads();
    for (int k = 0; k < TILE; k++) sum += a_panel[threadIdx.y][k] * b_panel[k][threadIdx.x];
    __syncthreads();
  }
  if (m < M && n < N) c[m * N + n] = sum;
}
