// Rung 2: neighbouring threads take neighbouring columns.   c = a b
//
//   a (M, K)   b (K, N)   c (M, N)   row after row
//
// launch   grid (ceil(N / 32), ceil(M / 8))   block (32, 8): a warp is 32 columns of one row
// loads    2 numbers for every multiplication, but now a warp's 32 loads of b are one or a few transactions, and
//          its 32 loads of a are one number, which is broadcast
//
// The step: x is the column. Nothing else has changed, and the memory does a fraction of the work.

extern "C" __global__ void __launch_bounds__(256)
coalesced(const REAL* __restrict__ a, const REAL* __restrict__ b, REAL* __restrict__ c, int M, int N, int K) {
  const int n = blockIdx.x * 32 + threadIdx.x, m = blockIdx.y * 8 + threadIdx.y;
  if (m >= M || n >= N) return;
  REAL sum = 0;
  for (int k = 0; k < K; k++) sum += a[m * K + k] * b[k * N + n];
  c[m * N + n] = sum;
}
