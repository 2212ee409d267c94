// Rung 1: the definition.   c[m, n] = sum_k a[m, k] b[k, n]
//
//   a (M, K)   b (K, N)   c (M, N)   row after row
//
// launch   grid (ceil(M / 16), ceil(N / 16))   block (16, 16): one thread an element of c
// loads    2 numbers for every multiplication
//
// Correct, and wrong for the hardware. The 32 threads of a warp differ in m first, so at every k they read numbers of
// a, and in the end write numbers of c, that lie whole rows apart: each in a transaction of its own, most of it unused.

extern "C" __global__ void __launch_bounds__(256)
naive(const REAL* __restrict__ a, const REAL* __restrict__ b, REAL* __restrict__ c, int M, int N, int K) {
  const int m = blockIdx.x * 16 + threadIdx.x, n = blockIdx.y * 16 + threadIdx.y;
  if (m >= M || n >= N) return;
  REAL sum = 0;
  for (int k = 0; k < K; k++) sum += a[m * K + k] * b[k * N + n];
  c[m * N + n] = sum;
}
